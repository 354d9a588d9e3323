import { TLS_IS_COMPLETE } from "../../src/transport/tls_socket.ts";
import { TRANSPORT_NAMES } from "../../src/transport/mod.ts";
import type { TransportName } from "../../src/transport/mod.ts";
import { localSubject, networkSubject, testTransport, TLS_TRANSPORTS } from "../support/transport_contract.ts";

const SILENT = "gives up connecting to a server that accepts and says nothing";
const AT_ONCE = "connects at once to a server that says nothing, since nothing is to be said before the first request";

/** Cases without a meaning, by transport, with the reason. */
const SKIPS: Readonly<Record<TransportName, Record<string, string>>> = {
  http: { [SILENT]: "the server has nothing to say before the first request" },
  tcp: { [SILENT]: "the server has nothing to say before the first request" },
  ws: { [AT_ONCE]: "the handshake comes first" },
  quic: {
    [SILENT]: "UDP accepts nothing; its own test has a silent socket",
    [AT_ONCE]: "the handshake comes first",
    "says unreachable where nobody listens": "UDP does not tell; its own test has the line that is said instead",
  },
  "quic-tcp": { [AT_ONCE]: "the handshake comes first" },
};

for (const name of TRANSPORT_NAMES) testTransport(networkSubject(name, SKIPS[name]));

const TLS_SKIPS = {
  [AT_ONCE]: "the handshake comes first",
  ...(TLS_IS_COMPLETE ? {} : { [SILENT]: "this version of Deno cannot end a handshake; the connection ends with it" }),
};
for (const name of TLS_TRANSPORTS) testTransport(networkSubject(name, TLS_SKIPS, true));

const NO_NETWORK = "there is no network";
testTransport(localSubject({
  "tells the service the version of its protocol": "both sides are one program",
  "refuses a message above the server's limit with the code too_large": "nothing is received",
  "refuses a reply above the client's limit with the code too_large": "nothing is received",
  "counts the connections that stand": NO_NETWORK,
  "takes no more connections than its limit, and takes others when some end": NO_NETWORK,
  "throws disconnected at once when the server goes away in the middle of a request": NO_NETWORK,
  "a server that stops lets the request in flight finish, then closes": NO_NETWORK,
  "notices that the server closed an idle connection": NO_NETWORK,
  "says unreachable where nobody listens": NO_NETWORK,
  "says unreachable where the host is unknown, naming it": NO_NETWORK,
  "gives up connecting when the signal is aborted": "connecting is over before anything can be aborted",
  [SILENT]: NO_NETWORK,
  [AT_ONCE]: NO_NETWORK,
}));

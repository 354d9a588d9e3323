/*
 * A library that behaves like ONNX Runtime with one model, y = 2x for four float32, and writes down every call that
 * matters to a file beside itself: calls.log, one line each, the thread first. So the order of calls for a GPU can be
 * tested where there is none.
 *
 * A file named "fail" beside it holds "FunctionName what to say": that function then fails. A file named "host_input"
 * makes the session want its input in the processor's memory.
 *
 * Numbers are places in the table of functions, counted in the header of ONNX Runtime 1.24; not taken from the program
 * under test.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct { int code; char text[512]; } Status;
typedef struct { int graph; } Options;
typedef struct { Options options; void *recorded_x, *recorded_y; } Session;
typedef struct { int device; } MemoryInfo;
typedef struct { float *data; int owned; } Value;
typedef struct { Value *x, *y; } Binding;
typedef struct { char graph_id[16]; volatile int terminate; } RunOptions;

static void beside(char *path, size_t size, const char *name) {
  Dl_info info;
  dladdr((void *)beside, &info);
  snprintf(path, size, "%s", info.dli_fname);
  char *slash = strrchr(path, '/');
  snprintf(slash + 1, size - (slash + 1 - path), "%s", name);
}

static void note(const char *format, ...) {
  char path[4096];
  beside(path, sizeof path, "calls.log");
  FILE *file = fopen(path, "a");
  fprintf(file, "%ld ", (long)syscall(SYS_gettid));
  va_list arguments;
  va_start(arguments, format);
  vfprintf(file, format, arguments);
  va_end(arguments);
  fprintf(file, "\n");
  fclose(file);
}

static Status *make_status(int code, const char *text) {
  Status *status = calloc(1, sizeof *status);
  status->code = code;
  snprintf(status->text, sizeof status->text, "%s", text);
  note("status made");
  return status;
}

/* What the file "fail" says about a function; null where it may succeed. */
static Status *failure(const char *function) {
  char path[4096], line[512] = "";
  beside(path, sizeof path, "fail");
  FILE *file = fopen(path, "r");
  if (file == NULL) return NULL;
  if (fgets(line, sizeof line, file) == NULL) line[0] = 0;
  fclose(file);
  size_t length = strlen(function);
  if (strncmp(line, function, length) != 0 || line[length] != ' ') return NULL;
  return make_status(11, line + length + 1);
}

static int exists(const char *name) {
  char path[4096];
  beside(path, sizeof path, name);
  return access(path, F_OK) == 0;
}

#define MAY_FAIL(name) do { Status *failed = failure(name); if (failed != NULL) return failed; } while (0)

static Status *nothing(void) { return NULL; }
static int GetErrorCode(Status *status) { return status->code; }
static const char *GetErrorMessage(Status *status) { return status->text; }
static void ReleaseStatus(Status *status) { note("status released"); free(status); }

static Status *CreateEnv(int level, const char *id, void **out) {
  (void)level; (void)id;
  note("CreateEnv");
  *out = malloc(1);
  return NULL;
}
static void ReleaseEnv(void *environment) { note("ReleaseEnv"); free(environment); }

static Status *CreateSessionOptions(Options **out) { *out = calloc(1, sizeof **out); return NULL; }
static void ReleaseSessionOptions(Options *options) { free(options); }
static Status *AddSessionConfigEntry(Options *options, const char *key, const char *value) {
  (void)options;
  note("AddSessionConfigEntry %s=%s", key, value);
  return NULL;
}

static Status *create_session(Options *options, Session **out) {
  MAY_FAIL("CreateSession");
  *out = calloc(1, sizeof **out);
  (*out)->options = *options;
  note("CreateSession");
  return NULL;
}
static Status *CreateSession(void *environment, const char *path, Options *options, Session **out) {
  (void)environment;
  if (access(path, F_OK) != 0) {
    char text[512];
    snprintf(text, sizeof text, "Load model %s failed. File doesn't exist", path);
    return make_status(3, text);
  }
  return create_session(options, out);
}
static Status *CreateSessionFromArray(void *environment, void *bytes, size_t length, Options *options, Session **out) {
  (void)environment; (void)bytes; (void)length;
  return create_session(options, out);
}
static void ReleaseSession(Session *session) { note("ReleaseSession"); free(session); }

static Status *one(Session *session, size_t *out) { (void)session; *out = 1; return NULL; }
static Status *type_info(Session *session, size_t index, void **out) { (void)session; (void)index; *out = malloc(1); return NULL; }
static void ReleaseTypeInfo(void *info) { free(info); }
static Status *input_name(Session *session, size_t index, void *allocator, char **out) {
  (void)session; (void)index; (void)allocator; *out = strdup("x"); return NULL;
}
static Status *output_name(Session *session, size_t index, void *allocator, char **out) {
  (void)session; (void)index; (void)allocator; *out = strdup("y"); return NULL;
}
static Status *AllocatorFree(void *allocator, void *memory) { (void)allocator; free(memory); return NULL; }
static Status *GetAllocatorWithDefaultOptions(void **out) { static char allocator; *out = &allocator; return NULL; }
static Status *CastTypeInfoToTensorInfo(void *info, void **out) { *out = info; return NULL; }
static Status *GetTensorElementType(void *info, int *out) { (void)info; *out = 1; return NULL; }
static Status *GetDimensionsCount(void *info, size_t *out) { (void)info; *out = 1; return NULL; }
static Status *GetDimensions(void *info, int64_t *out, size_t rank) { (void)info; (void)rank; out[0] = 4; return NULL; }

static Status *CreateRunOptions(RunOptions **out) { *out = calloc(1, sizeof **out); return NULL; }
static void ReleaseRunOptions(RunOptions *options) { note("ReleaseRunOptions"); free(options); }
static Status *SetTerminate(RunOptions *options) { note("SetTerminate"); options->terminate = 1; return NULL; }
static Status *UnsetTerminate(RunOptions *options) { note("UnsetTerminate"); options->terminate = 0; return NULL; }
static Status *AddRunConfigEntry(RunOptions *options, const char *key, const char *value) {
  note("AddRunConfigEntry %s=%s", key, value);
  snprintf(options->graph_id, sizeof options->graph_id, "%s", value);
  return NULL;
}

static Status *CreateMemoryInfo(const char *name, int allocator, int id, int type, MemoryInfo **out) {
  note("CreateMemoryInfo %s %d %d %d", name, allocator, id, type);
  *out = calloc(1, sizeof **out);
  (*out)->device = 1;
  return NULL;
}
static Status *CreateCpuMemoryInfo(int allocator, int type, MemoryInfo **out) {
  (void)allocator; (void)type;
  *out = calloc(1, sizeof **out);
  return NULL;
}
static void ReleaseMemoryInfo(MemoryInfo *info) { if (info->device) note("ReleaseMemoryInfo"); free(info); }
static void MemoryInfoGetDeviceType(MemoryInfo *info, int *out) { *out = info->device; }
static Status *SessionGetMemoryInfoForInputs(Session *session, MemoryInfo **out, size_t count) {
  static MemoryInfo host = {0}, device = {1};
  (void)session; (void)count;
  *out = exists("host_input") ? &host : &device;
  return NULL;
}

static Status *CreateTensorWithData(MemoryInfo *info, float *data, size_t bytes, int64_t *shape, size_t rank, int type, Value **out) {
  (void)info; (void)bytes; (void)shape; (void)rank; (void)type;
  *out = calloc(1, sizeof **out);
  (*out)->data = data;
  return NULL;
}
static Status *CreateTensor(void *allocator, int64_t *shape, size_t rank, int type, Value **out) {
  (void)allocator;
  note("CreateTensor [%ld] rank %zu type %d", (long)shape[0], rank, type);
  *out = calloc(1, sizeof **out);
  (*out)->data = calloc(4, sizeof(float));
  (*out)->owned = 1;
  return NULL;
}
static void ReleaseValue(Value *value) {
  if (value->owned) { note("ReleaseValue"); free(value->data); }
  free(value);
}
static Status *GetTensorMutableData(Value *value, void **out) { *out = value->data; return NULL; }

static Status *Run(Session *session, RunOptions *options, const char **input_names, Value **inputs, size_t input_count,
                   const char **output_names, size_t output_count, Value **outputs) {
  (void)session; (void)options;
  if (input_count != 1 || output_count != 1 || strcmp(input_names[0], "x") || strcmp(output_names[0], "y")) {
    return make_status(2, "wrong names");
  }
  note("Run");
  for (int i = 0; i < 4; i++) outputs[0]->data[i] = 2 * inputs[0]->data[i];
  return NULL;
}

static Status *CreateAllocator(Session *session, MemoryInfo *info, void **out) {
  (void)session; (void)info;
  note("CreateAllocator");
  *out = malloc(1);
  return NULL;
}
static void ReleaseAllocator(void *allocator) { note("ReleaseAllocator"); free(allocator); }
static Status *CreateIoBinding(Session *session, Binding **out) {
  (void)session;
  note("CreateIoBinding");
  *out = calloc(1, sizeof **out);
  return NULL;
}
static void ReleaseIoBinding(Binding *binding) { note("ReleaseIoBinding"); free(binding); }
static Status *BindInput(Binding *binding, const char *name, Value *value) {
  note("BindInput %s %s", name, value->owned ? "device" : "host");
  binding->x = value;
  return NULL;
}
static Status *BindOutput(Binding *binding, const char *name, Value *value) {
  note("BindOutput %s %s", name, value->owned ? "device" : "host");
  binding->y = value;
  return NULL;
}
static Status *RunWithBinding(Session *session, RunOptions *options, Binding *binding) {
  MAY_FAIL("RunWithBinding");
  float *x = binding->x->data, *y = binding->y->data;
  const char *how = "plain";
  if (session->options.graph && strcmp(options->graph_id, "-1") != 0) {
    how = "replayed";
    if (session->recorded_x == NULL) {
      how = "recorded";
      session->recorded_x = x;
      session->recorded_y = y;
    }
    x = session->recorded_x;
    y = session->recorded_y;
  }
  note("RunWithBinding %s", how);
  for (int i = 0; i < 4; i++) y[i] = 2 * x[i];
  return NULL;
}

static Status *GetAvailableProviders(char ***out, int *count) {
  static char *names[] = {"CUDAExecutionProvider", "CPUExecutionProvider"};
  *out = names;
  *count = 2;
  return NULL;
}

static Status *CreateCUDAProviderOptions(Options **out) {
  MAY_FAIL("CreateCUDAProviderOptions");
  note("CreateCUDAProviderOptions");
  *out = calloc(1, sizeof **out);
  return NULL;
}
static Status *UpdateCUDAProviderOptions(Options *options, const char **keys, const char **values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    note("UpdateCUDAProviderOptions %s=%s", keys[i], values[i]);
    if (strcmp(keys[i], "enable_cuda_graph") == 0) options->graph = values[i][0] == '1';
  }
  return NULL;
}
static Status *AppendCuda(Options *options, Options *cuda) {
  note("AppendCuda");
  options->graph = cuda->graph;
  return NULL;
}
static void ReleaseCUDAProviderOptions(Options *cuda) { note("ReleaseCUDAProviderOptions"); free(cuda); }

static const char *GetBuildInfoString(void) { return "stub"; }

/* One subgraph with one node, given to the processor: all that the program's own test of a library asks for. */
static const char subgraph, assigned_node;
static const void *subgraphs[] = {&subgraph}, *nodes[] = {&assigned_node};
static Status *assignment(Session *session, const void ***out, size_t *count) {
  (void)session; *out = subgraphs; *count = 1; return NULL;
}
static Status *subgraph_provider(const void *graph, const char **out) { (void)graph; *out = "CPUExecutionProvider"; return NULL; }
static Status *subgraph_nodes(const void *graph, const void ***out, size_t *count) {
  (void)graph; *out = nodes; *count = 1; return NULL;
}
static Status *node_operator(const void *node, const char **out) { (void)node; *out = "Add"; return NULL; }

static void *table[413];

static const void *GetApi(uint32_t version) {
  if (version > 24) return NULL;
  for (int i = 0; i < 413; i++) table[i] = (void *)nothing;
  table[1] = GetErrorCode;
  table[2] = GetErrorMessage;
  table[3] = CreateEnv;
  table[7] = CreateSession;
  table[8] = CreateSessionFromArray;
  table[9] = Run;
  table[10] = CreateSessionOptions;
  table[30] = table[31] = one;
  table[33] = table[34] = type_info;
  table[36] = input_name;
  table[37] = output_name;
  table[39] = CreateRunOptions;
  table[46] = SetTerminate;
  table[47] = UnsetTerminate;
  table[48] = CreateTensor;
  table[49] = CreateTensorWithData;
  table[51] = GetTensorMutableData;
  table[55] = CastTypeInfoToTensorInfo;
  table[60] = GetTensorElementType;
  table[61] = GetDimensionsCount;
  table[62] = GetDimensions;
  table[68] = CreateMemoryInfo;
  table[69] = CreateCpuMemoryInfo;
  table[76] = AllocatorFree;
  table[78] = GetAllocatorWithDefaultOptions;
  table[92] = ReleaseEnv;
  table[93] = ReleaseStatus;
  table[94] = ReleaseMemoryInfo;
  table[95] = ReleaseSession;
  table[96] = ReleaseValue;
  table[97] = ReleaseRunOptions;
  table[98] = ReleaseTypeInfo;
  table[100] = ReleaseSessionOptions;
  table[125] = GetAvailableProviders;
  table[130] = AddSessionConfigEntry;
  table[131] = CreateAllocator;
  table[132] = ReleaseAllocator;
  table[133] = RunWithBinding;
  table[134] = CreateIoBinding;
  table[135] = ReleaseIoBinding;
  table[136] = BindInput;
  table[137] = BindOutput;
  table[165] = AddRunConfigEntry;
  table[204] = AppendCuda;
  table[205] = CreateCUDAProviderOptions;
  table[206] = UpdateCUDAProviderOptions;
  table[208] = ReleaseCUDAProviderOptions;
  table[225] = MemoryInfoGetDeviceType;
  table[254] = GetBuildInfoString;
  table[380] = SessionGetMemoryInfoForInputs;
  table[407] = assignment;
  table[408] = subgraph_provider;
  table[409] = subgraph_nodes;
  table[410] = node_operator;
  table[412] = node_operator;
  return table;
}

#ifndef VERSION
#define VERSION "1.30.0-stub"
#endif
static const char *GetVersionString(void) { return VERSION; }

static const struct { const void *(*get_api)(uint32_t); const char *(*get_version)(void); } base = {GetApi, GetVersionString};

const void *OrtGetApiBase(void) { return &base; }

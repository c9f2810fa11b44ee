// Which loaded object an address belongs to, and breakpoints at return addresses in cell code.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

typedef struct {
  uint64_t low, high;
} range;

enum { CELL_LIMIT = 1 << 16, BREAKPOINT_LIMIT = 256 };
static range cells[CELL_LIMIT];
static _Atomic int cell_count;
/// All cells lie between these.
static _Atomic uint64_t cells_low = UINT64_MAX, cells_high;
static range swift_runtime, c_library, loader, allocator, dispatch, foundation, concurrency, host;
/// The part of libswiftCore that is C++: metadata, conformances, casts. The standard library's own code lies before it.
static range metadata;

static bool contains(range r, uint64_t pc) { return pc >= r.low && pc < r.high; }

typedef struct {
  uint64_t address;
  range found;
} query;

static int match(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  query *q = data;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
    uint64_t low = info->dlpi_addr + p->p_vaddr, high = low + p->p_memsz;
    if (q->address >= low && q->address < high) {
      q->found = (range){low, high};
      return 1;
    }
  }
  return 0;
}

static range executable_range(const void *address) {
  query q = {.address = (uint64_t)address};
  dl_iterate_phdr(match, &q);
  return q.found;
}

__attribute__((constructor)) static void find_libraries(void) {
  const void *swift = dlsym(RTLD_DEFAULT, "swift_retain");
  if (swift) swift_runtime = executable_range(swift);
  const void *queue = dlsym(RTLD_DEFAULT, "dispatch_get_global_queue");
  if (queue) dispatch = executable_range(queue);
  const void *thread = dlsym(RTLD_DEFAULT, "CFRunLoopGetMain");
  if (thread) foundation = executable_range(thread);
  const void *task = dlsym(RTLD_DEFAULT, "swift_task_create");
  if (task) concurrency = executable_range(task);
  host = executable_range(&find_libraries);
  static const char *const runtime[] = {"swift_demangle",    "swift_dynamicCast", "swift_allocObject", "swift_slowAlloc",
                                        "swift_once",        "swift_retain",      "swift_getGenericMetadata",
                                        "swift_conformsToProtocol"};
  metadata = (range){swift_runtime.high, swift_runtime.high};
  for (size_t i = 0; i < sizeof runtime / sizeof *runtime; i++) {
    uint64_t at = (uint64_t)dlsym(RTLD_DEFAULT, runtime[i]);
    if (contains(swift_runtime, at) && at < metadata.low) metadata.low = at;
  }
  // Functions without a name lie before the first that has one.
  if (metadata.low > swift_runtime.low + (16 << 10)) metadata.low -= 16 << 10;
  c_library = executable_range(dlsym(RTLD_DEFAULT, "malloc"));
  loader = executable_range(dlsym(RTLD_DEFAULT, "__tls_get_addr"));
  // The allocator is one source file of the C library, so its functions lie together; those without a name lie
  // beside those that have one.
  static const char *const names[] = {"malloc", "free", "calloc", "realloc", "memalign", "malloc_trim",
                                      "malloc_usable_size", "posix_memalign"};
  const uint64_t margin = 8 << 10;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    uint64_t at = (uint64_t)dlsym(RTLD_NEXT, names[i]);
    if (!contains(c_library, at)) continue;
    if (!allocator.low || at - margin < allocator.low) allocator.low = at - margin;
    if (at + margin > allocator.high) allocator.high = at + margin;
  }
}

bool chs_in_swift_runtime(const void *pc) { return contains(swift_runtime, (uint64_t)pc); }
bool chs_in_dispatch(const void *pc) { return contains(dispatch, (uint64_t)pc); }
bool chs_in_allocator(uint64_t pc) { return contains(allocator, pc); }
bool chs_in_foundation(const void *pc) { return contains(foundation, (uint64_t)pc); }
bool chs_in_locking_code(uint64_t pc) {
  return chs_in_c_library(pc) || contains(dispatch, pc) || contains(concurrency, pc) || contains(metadata, pc) ||
         contains(host, pc);
}
bool chs_is_unstoppable(uint64_t pc) { return chs_in_c_library(pc); }
bool chs_in_c_library(uint64_t pc) { return contains(c_library, pc) || contains(loader, pc); }

void chs_register_cell(const void *address) {
  range r = executable_range(address);
  if (!r.high) return;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  int i = atomic_load(&cell_count);
  if (i < CELL_LIMIT) {
    cells[i] = r;
    if (r.low < atomic_load(&cells_low)) atomic_store(&cells_low, r.low);
    if (r.high > atomic_load(&cells_high)) atomic_store(&cells_high, r.high);
    atomic_store(&cell_count, i + 1);
  }
  pthread_mutex_unlock(&lock);
}

bool chs_in_cell_code(uint64_t pc) {
  if (pc < atomic_load(&cells_low) || pc >= atomic_load(&cells_high)) return false;
  for (int i = atomic_load(&cell_count) - 1; i >= 0; i--)
    if (contains(cells[i], pc)) return true;
  return false;
}

bool chs_locate(uint64_t address, const char **path, uint64_t *offset, const char **symbol) {
  Dl_info info;
  if (!dladdr((void *)address, &info) || !info.dli_fname) return false;
  *path = info.dli_fname;
  *offset = address - (uint64_t)info.dli_fbase;
  *symbol = info.dli_sname;
  return true;
}

/// `$s5Cell11TV…5Cell9WP` with `5Cell9` as `5Cell3`; false when the module doesn't occur or there is no room.
static bool renamed(const char *symbol, const char *from, const char *to, char *result, size_t room) {
  const char *at = NULL;
  for (const char *next = strstr(symbol, from); next; next = strstr(next + 1, from)) at = next;
  if (!at) return false;
  size_t before = (size_t)(at - symbol);
  return snprintf(result, room, "%.*s%s%s", (int)before, symbol, to, at + strlen(from)) < (int)room;
}

// The parts of the runtime's metadata that are read here (Swift ABI, docs/ABI/TypeMetadata.rst): relative pointers are
// 32-bit distances from where they stand.
typedef struct {
  int32_t protocol, type, witnesses;
  uint32_t flags;
} conformance;
typedef struct {
  uint32_t flags;
  int32_t parent, name, accessor;
} type_descriptor;
typedef struct {
  uint32_t flags;
  int32_t parent, name;
  uint32_t signature_requirements, requirements;
} protocol_descriptor;

static const void *follow(const int32_t *relative) { return (const char *)relative + *relative; }

/// Copies the witnesses of `new` over those of `old`, where the type isn't generic.
static bool replace_witnesses(const conformance *old, const conformance *new) {
  typedef __attribute__((swiftcall)) const void *(*type_accessor)(size_t request);
  typedef void *(*witness_getter)(const void *conformance, const void *type, const void *const *arguments);
  static witness_getter get_witnesses;
  if (!get_witnesses) get_witnesses = (witness_getter)dlsym(RTLD_DEFAULT, "swift_getWitnessTable");
  uint32_t kind = new->flags >> 3 & 7;
  if (!get_witnesses || kind > 1) return false;
  const type_descriptor *type = follow(&new->type);
  if (kind == 1) type = *(const type_descriptor *const *)type;
  bool is_generic = !type || (type->flags & 0x80);
  if (is_generic) return false;
  const protocol_descriptor *protocol;
  if (new->protocol & 1) {
    int32_t distance = new->protocol & ~1;
    protocol = *(const protocol_descriptor *const *)((const char *)&new->protocol + distance);
  } else {
    protocol = follow(&new->protocol);
  }
  const void *metadata = ((type_accessor)follow(&type->accessor))(0);
  void **to = get_witnesses(old, metadata, NULL), **from = get_witnesses(new, metadata, NULL);
  if (!protocol || !to || !from || to == from) return false;
  size_t bytes = protocol->requirements * sizeof(void *);
  long page = sysconf(_SC_PAGESIZE);
  uint64_t start = (uint64_t)(to + 1) & ~(uint64_t)(page - 1);
  if (mprotect((void *)start, (uint64_t)(to + 1) + bytes - start, PROT_READ | PROT_WRITE) != 0) return false;
  // The first word is the conformance's own description, which stays.
  memcpy(to + 1, from + 1, bytes);
  return true;
}

int chs_replace_conformances(void *new_object, const char *new_module, const char *old_module) {
  struct link_map *map;
  if (dlinfo(new_object, RTLD_DI_LINKMAP, &map) != 0) return 0;
  const ElfW(Sym) *symbols = NULL;
  const char *strings = NULL;
  uint32_t count = 0;
  for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_SYMTAB) symbols = (const void *)d->d_un.d_ptr;
    if (d->d_tag == DT_STRTAB) strings = (const void *)d->d_un.d_ptr;
    if (d->d_tag == DT_HASH) count = ((const uint32_t *)d->d_un.d_ptr)[1];
  }
  if (!symbols || !strings) return 0;
  char from[256], to[256], name[4096];
  snprintf(from, sizeof from, "%zu%s", strlen(new_module), new_module);
  snprintf(to, sizeof to, "%zu%s", strlen(old_module), old_module);
  int replaced = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *symbol = strings + symbols[i].st_name;
    size_t length = strlen(symbol);
    if (symbols[i].st_shndx == SHN_UNDEF || length < 2 || strcmp(symbol + length - 2, "Mc") != 0) continue;
    if (!renamed(symbol, from, to, name, sizeof name)) continue;
    const conformance *old = dlsym(RTLD_DEFAULT, name);
    const conformance *new = (const void *)(map->l_addr + symbols[i].st_value);
    if (old && old != new && replace_witnesses(old, new)) replaced++;
  }
  return replaced;
}

// A planted breakpoint stays until a thread reaches it; all of this runs inside signal handlers, so it allocates
// and locks nothing.
#if defined(__x86_64__)
typedef unsigned char instruction;
static const instruction breakpoint_instruction = 0xcc;
#else
typedef uint32_t instruction;
static const instruction breakpoint_instruction = 0xd4200000;
#endif

typedef struct {
  _Atomic uint64_t address;
  instruction original;
} breakpoint;
static breakpoint breakpoints[BREAKPOINT_LIMIT];

static bool patch(uint64_t address, instruction value) {
  long page = sysconf(_SC_PAGESIZE);
  uint64_t start = address & ~(uint64_t)(page - 1);
  if (mprotect((void *)start, (size_t)page, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return false;
  *(volatile instruction *)address = value;
  __builtin___clear_cache((char *)address, (char *)address + sizeof value);
  return true;
}

bool chs_plant_breakpoint(uint64_t address) {
  for (int i = 0; i < BREAKPOINT_LIMIT; i++)
    if (atomic_load(&breakpoints[i].address) == address) return true;
  for (int i = 0; i < BREAKPOINT_LIMIT; i++) {
    uint64_t empty = 0;
    if (!atomic_compare_exchange_strong(&breakpoints[i].address, &empty, address)) continue;
    breakpoints[i].original = *(instruction *)address;
    if (patch(address, breakpoint_instruction)) return true;
    atomic_store(&breakpoints[i].address, 0);
    return false;
  }
  return false;
}

bool chs_lift_breakpoint(uint64_t address) {
  for (int i = 0; i < BREAKPOINT_LIMIT; i++)
    if (atomic_load(&breakpoints[i].address) == address) {
      patch(address, breakpoints[i].original);
      atomic_store(&breakpoints[i].address, 0);
      return true;
    }
  // Another thread reached it first and put the instruction back: go on from there.
  return chs_in_cell_code(address) && *(instruction *)address != breakpoint_instruction;
}

// Which loaded object an address belongs to, and breakpoints at return addresses in cell code.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
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
static range swift_runtime, c_library, loader;

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

static bool contains(range r, uint64_t pc) { return pc >= r.low && pc < r.high; }

__attribute__((constructor)) static void find_libraries(void) {
  const void *swift = dlsym(RTLD_DEFAULT, "swift_retain");
  if (swift) swift_runtime = executable_range(swift);
  c_library = executable_range(dlsym(RTLD_DEFAULT, "malloc"));
  loader = executable_range(dlsym(RTLD_DEFAULT, "__tls_get_addr"));
}

bool chs_in_swift_runtime(const void *pc) { return contains(swift_runtime, (uint64_t)pc); }
bool chs_in_c_library(uint64_t pc) { return contains(c_library, pc) || contains(loader, pc); }

void chs_register_cell(const void *address) {
  range r = executable_range(address);
  if (!r.high) return;
  int i = atomic_load(&cell_count);
  if (i >= CELL_LIMIT) return;
  cells[i] = r;
  atomic_store(&cell_count, i + 1);
}

bool chs_in_cell_code(uint64_t pc) {
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

// Where a loaded cell keeps a global variable, and the memory of values that were released.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef struct {
  const ElfW(Sym) *symbols;
  const char *strings;
  uint32_t count;
  uint64_t base;
} symbol_table;

static bool find_symbols(void *object, symbol_table *table) {
  struct link_map *map;
  if (!object || dlinfo(object, RTLD_DI_LINKMAP, &map) != 0) return false;
  *table = (symbol_table){.base = map->l_addr};
  for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_SYMTAB) table->symbols = (const void *)d->d_un.d_ptr;
    if (d->d_tag == DT_STRTAB) table->strings = (const void *)d->d_un.d_ptr;
    if (d->d_tag == DT_HASH) table->count = ((const uint32_t *)d->d_un.d_ptr)[1];
  }
  return table->symbols && table->strings;
}

/// Where symbol `i` lies if it is a global variable of the module; its demangled text, to be freed, in `text`.
static void *variable_at(const symbol_table *table, uint32_t i, const char *module, char **text) {
  typedef char *(*demangler)(const char *, size_t, char *, size_t *, uint32_t);
  static demangler demangle;
  if (!demangle) demangle = (demangler)dlsym(RTLD_DEFAULT, "swift_demangle");
  const char *symbol = table->strings + table->symbols[i].st_name;
  size_t length = strlen(symbol);
  char own[256];
  snprintf(own, sizeof own, "$s%zu%s", strlen(module), module);
  if (!demangle || table->symbols[i].st_shndx == SHN_UNDEF || length < 2) return NULL;
  if (strcmp(symbol + length - 2, "vp") != 0 || strncmp(symbol, own, strlen(own)) != 0) return NULL;
  // Parts of names that occur twice are abbreviated in a symbol: only the whole can be compared.
  *text = demangle(symbol, length, NULL, NULL, 0);
  return *text ? (void *)(table->base + table->symbols[i].st_value) : NULL;
}

void *chs_variable(void *object, const char *module, const char *name) {
  symbol_table table;
  char wanted[1024];
  int length = snprintf(wanted, sizeof wanted, "%s.%s : ", module, name);
  if (length <= 0 || length >= (int)sizeof wanted || !find_symbols(object, &table)) return NULL;
  for (uint32_t i = 0; i < table.count; i++) {
    char *text = NULL;
    void *place = variable_at(&table, i, module, &text);
    bool found = text && strncmp(text, wanted, (size_t)length) == 0;
    free(text);
    if (found) return place;
  }
  return NULL;
}

void chs_drop_objects(void *object, const char *module, const char *prefix) {
  symbol_table table;
  char wanted[1024];
  int length = snprintf(wanted, sizeof wanted, "%s.%s", module, prefix);
  if (length <= 0 || length >= (int)sizeof wanted || !find_symbols(object, &table)) return;
  // Demangling every cell's symbols would cost more than looking for the first one, which isn't abbreviated.
  bool has_any = false;
  for (uint32_t i = 0; i < table.count && !has_any; i++)
    has_any = strstr(table.strings + table.symbols[i].st_name, prefix) != NULL;
  if (!has_any) return;
  void (*release)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "swift_release");
  for (uint32_t i = 0; i < table.count; i++) {
    char *text = NULL;
    void **place = variable_at(&table, i, module, &text);
    if (text && release && strncmp(text, wanted, (size_t)length) == 0 && *place) {
      void *held = *place;
      *place = NULL;
      release(held);
    }
    free(text);
  }
}

void chs_return_freed(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static size_t kept_before, resident_before;
  const size_t much = 32 << 20;
  struct mallinfo2 (*information)(void) = (struct mallinfo2(*)(void))dlsym(RTLD_DEFAULT, "mallinfo2");
  pthread_mutex_lock(&lock);
  // What malloc keeps counts with it also when the system has the pages back: it's worth while when there is much more
  // of it than the last time, or when those pages are in use again.
  size_t kept = information ? information().fordblks : SIZE_MAX, resident = chs_resident_bytes();
  if (kept < kept_before) kept_before = kept;
  if (!information || kept > kept_before + much || (kept > much && resident > resident_before + much)) {
    malloc_trim(0);
    kept_before = kept;
    resident_before = chs_resident_bytes();
  } else if (resident < resident_before) {
    resident_before = resident;
  }
  pthread_mutex_unlock(&lock);
}

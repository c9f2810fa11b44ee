// Where a loaded cell keeps a global variable.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void *chs_variable(void *object, const char *module, const char *name) {
  typedef char *(*demangler)(const char *, size_t, char *, size_t *, uint32_t);
  static demangler demangle;
  if (!demangle) demangle = (demangler)dlsym(RTLD_DEFAULT, "swift_demangle");
  struct link_map *map;
  if (!demangle || dlinfo(object, RTLD_DI_LINKMAP, &map) != 0) return NULL;
  const ElfW(Sym) *symbols = NULL;
  const char *strings = NULL;
  uint32_t count = 0;
  for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_SYMTAB) symbols = (const void *)d->d_un.d_ptr;
    if (d->d_tag == DT_STRTAB) strings = (const void *)d->d_un.d_ptr;
    if (d->d_tag == DT_HASH) count = ((const uint32_t *)d->d_un.d_ptr)[1];
  }
  if (!symbols || !strings) return NULL;
  char own[256], wanted[1024];
  snprintf(own, sizeof own, "$s%zu%s", strlen(module), module);
  int length = snprintf(wanted, sizeof wanted, "%s.%s : ", module, name);
  if (length <= 0 || length >= (int)sizeof wanted) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    const char *symbol = strings + symbols[i].st_name;
    size_t end = strlen(symbol);
    if (symbols[i].st_shndx == SHN_UNDEF || end < 2 || strcmp(symbol + end - 2, "vp") != 0) continue;
    if (strncmp(symbol, own, strlen(own)) != 0) continue;
    // Parts of names that occur twice are abbreviated in a symbol: only the whole can be compared.
    char *text = demangle(symbol, end, NULL, NULL, 0);
    bool found = text && strncmp(text, wanted, (size_t)length) == 0;
    free(text);
    if (found) return (void *)(map->l_addr + symbols[i].st_value);
  }
  return NULL;
}

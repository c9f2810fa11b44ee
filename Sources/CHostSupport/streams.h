// What printing.c needs of streams.c.
#pragma once
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

/// The C library's own functions; there after `chs_need_functions`.
extern int (*chs_c_vfprintf)(FILE *, const char *, va_list);
extern int (*chs_c_fputc)(int, FILE *);
extern int (*chs_c_fflush)(FILE *);
extern size_t (*chs_c_fwrite_unlocked)(const void *, size_t, size_t, FILE *);
/// Constructors of libraries run before ours and may print.
void chs_need_functions(void);

/// 0 for standard output, 1 for standard error, -1 for any other stream.
int chs_standard_index(FILE *stream);
/// How many bytes wait in a stream's buffer.
static inline size_t chs_pending(const FILE *f) { return (size_t)(f->_IO_write_ptr - f->_IO_write_base); }

/// Begins printing `count` bytes. Returns the stream that is meant, locked for the calling thread until
/// `chs_end_print`.
FILE *chs_begin_print(FILE *stream, size_t count);
void chs_end_print(FILE *asked, FILE *stream);
/// Whether the calling thread is inside the C library's functions: a signal handler that prints then must not empty a
/// buffer that is just being changed.
bool chs_is_inside_print(void);
/// Whether the calling thread's run has printed what isn't sent yet.
bool chs_holds_output(void);

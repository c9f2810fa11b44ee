// Packing of stored weights for the integer products, once when a model is first used that way.
#include "int8.h"

#include <string.h>

#include "internal.h"

size_t cqk_int8_panel_bytes(cqk_type type, size_t k) {
  cqk_coding c;
  if (!cqk_coding_of(type, &c)) return 0;
  return k / 32 * (cqk_scale_bytes(c.scales) + cqk_code_bytes(c.is_small)) + k / 256 * cqk_head_bytes(c.scales);
}

static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// Codes of 32 weights and, for types with blocks of 256, the scale bytes of this eighth.
typedef struct {
  uint8_t code[32], scale[2];
} eighth;

static void nibbles(const uint8_t *q, uint8_t code[32]) {
  for (size_t j = 0; j < 16; j++) {
    code[j] = q[j] & 15;
    code[j + 16] = q[j] >> 4;
  }
}

static void fifth_bits(const uint8_t *high, uint8_t code[32]) {
  for (size_t j = 0; j < 32; j++) code[j] |= (uint8_t)((high[j / 8] >> j % 8 & 1) << 4);
}

static void block_of_32(cqk_type type, const uint8_t *b, eighth *e) {
  switch (type) {
    case CQK_Q4_0: nibbles(b + 2, e->code); break;
    case CQK_Q4_1: nibbles(b + 4, e->code); break;
    case CQK_Q5_0:
      nibbles(b + 6, e->code);
      fifth_bits(b + 2, e->code);
      break;
    case CQK_Q5_1:
      nibbles(b + 8, e->code);
      fifth_bits(b + 4, e->code);
      break;
    case CQK_IQ4_NL:
      nibbles(b + 2, e->code);
      for (size_t j = 0; j < 32; j++) e->code[j] = (uint8_t)(nonlinear[e->code[j]] + 128);
      break;
    default:
      for (size_t j = 0; j < 32; j++) e->code[j] = (uint8_t)((int8_t)b[2 + j] + 128);
  }
}

// The `j`-th 32 weights of a block of 256.
static void eighth_of_256(cqk_type type, const uint8_t *b, size_t j, eighth *e) {
  switch (type) {
    case CQK_Q4_K:
    case CQK_Q5_K: {
      const uint8_t *packed = b + 4, *q = b + (type == CQK_Q4_K ? 16 : 48) + 32 * (j / 2);
      if (j < 4) {
        e->scale[0] = packed[j] & 63;
        e->scale[1] = packed[j + 4] & 63;
      } else {
        e->scale[0] = (uint8_t)((packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4);
        e->scale[1] = (uint8_t)(packed[j + 4] >> 4 | (packed[j] >> 6) << 4);
      }
      for (size_t l = 0; l < 32; l++) {
        e->code[l] = j % 2 ? q[l] >> 4 : q[l] & 15;
        if (type == CQK_Q5_K) e->code[l] |= (uint8_t)((b[16 + l] >> j & 1) << 4);
      }
      break;
    }
    case CQK_Q6_K: {
      size_t part = j / 4, run = j % 4;
      const uint8_t *low = b + 64 * part + 32 * (run % 2), *high = b + 128 + 32 * part;
      for (size_t l = 0; l < 32; l++)
        e->code[l] = (uint8_t)((run < 2 ? low[l] & 15 : low[l] >> 4) | (high[l] >> 2 * run & 3) << 4);
      memcpy(e->scale, b + 192 + 2 * j, 2);
      break;
    }
    case CQK_Q3_K: {
      const uint8_t *q = b + 32 + 32 * (j / 4), *packed = b + 96;
      for (size_t l = 0; l < 32; l++)
        e->code[l] = (uint8_t)((q[l] >> 2 * (j % 4) & 3) | (b[l] >> j & 1) << 2);
      for (size_t i = 0; i < 2; i++) {
        size_t s = 2 * j + i;
        int low = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
        e->scale[i] = (uint8_t)(int8_t)((low | (packed[8 + s % 4] >> 2 * (s / 4) & 3) << 4) - 32);
      }
      break;
    }
    default: {
      uint32_t upper = (uint32_t)b[2] | (uint32_t)b[3] << 8;
      int scale = (b[4 + j / 2] >> 4 * (j % 2) & 15) | (int)(upper >> 2 * j & 3) << 4;
      e->scale[0] = (uint8_t)(int8_t)(scale - 32);
      nibbles(b + 8 + 16 * j, e->code);
      for (size_t l = 0; l < 32; l++) e->code[l] = (uint8_t)(nonlinear[e->code[l]] + 128);
    }
  }
}

// Where the halves d and d or dmin of a block of 256 stand in it.
static size_t half_offset(cqk_type type, size_t i) {
  return type == CQK_Q6_K ? 208 : type == CQK_Q3_K ? 108 : 2 * i;
}

void cqk_pack_int8_panel(cqk_type type, const void *w, size_t row_bytes, size_t rows, size_t k, void *panel) {
  cqk_coding c;
  if (!cqk_coding_of(type, &c)) return;
  uint8_t *out = panel;
  memset(out, 0, cqk_int8_panel_bytes(type, k));
  size_t head = cqk_head_bytes(c.scales), scales = cqk_scale_bytes(c.scales), codes = cqk_code_bytes(c.is_small);
  size_t block = cqk_block_size(type), bytes = cqk_block_bytes(type);
  for (size_t i = 0; i < k / 32; i++) {
    if (i % 8 == 0) {
      for (size_t r = 0; head && r < rows; r++) {
        const uint8_t *b = (const uint8_t *)w + r * row_bytes + i / 8 * bytes;
        for (size_t h = 0; h < head / 32; h++) memcpy(out + 32 * h + 2 * r, b + half_offset(type, h), 2);
      }
      out += head;
    }
    for (size_t r = 0; r < rows; r++) {
      const uint8_t *b = (const uint8_t *)w + r * row_bytes + i * 32 / block * bytes;
      eighth e;
      if (block == 32) {
        block_of_32(type, b, &e);
        for (size_t h = 0; h < scales / 32; h++) memcpy(out + 32 * h + 2 * r, b + 2 * h, 2);
      } else {
        eighth_of_256(type, b, i % 8, &e);
        for (size_t h = 0; h < scales / 16; h++) out[16 * h + r] = e.scale[h];
      }
      uint8_t *at = out + scales + 4 * r;
      for (size_t j = 0; j < 32; j++) {
        if (!c.is_small)
          at[j / 4 * 64 + j % 4] = e.code[j];
        else if (j < 16)
          at[j / 4 * 64 + j % 4] |= e.code[j];
        else
          at[(j - 16) / 4 * 64 + j % 4] |= (uint8_t)(e.code[j] << 4);
      }
    }
    out += scales + codes;
  }
}

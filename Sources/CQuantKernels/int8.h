// How weights and inputs lie for the integer products; see int8_body.h for the sums.
//
// Weights are packed in panels of 16 rows. A panel is a run of blocks of 32 inputs; each block has its scales, then its
// codes. Codes stand in vectors of 64 bytes: 16 rows × 4 neighbouring inputs, so that one instruction adds four products
// of each row. Codes below 16 take half a byte: vector v (0–3) has inputs 4v…4v+3 in its low halves and 16+4v… in its
// high ones. Other types have 8 vectors of whole bytes.
//
// A weight is scale · (code − bias), or scale · code + offset. Scales stand as in the file, one after another for the
// 16 rows:
//   plain      block: 16 halves d                        Q4_0, Q5_0, Q8_0, IQ4_NL
//   offset     block: 16 halves d, 16 halves m           Q4_1, Q5_1
//   minimum    every 8 blocks: 16 halves d, 16 halves dmin; block: 16 bytes scale, 16 bytes min     Q4_K, Q5_K
//   signed     every 8 blocks: 16 halves d; block: 16 signed bytes scale                            IQ4_XS
//   halved     every 8 blocks: 16 halves d; block: 16 signed bytes scale for each half of 16 inputs  Q3_K, Q6_K
#pragma once
#include "CQuantKernels.h"

typedef enum { CQK_PLAIN, CQK_OFFSET, CQK_MINIMUM, CQK_SIGNED, CQK_HALVED } cqk_scales;

typedef struct {
  cqk_scales scales;
  int32_t bias;
  // Whether codes take half a byte.
  int is_small;
} cqk_coding;

// How a type is coded; 0 when it has no integer products.
static inline int cqk_coding_of(cqk_type type, cqk_coding *coding) {
  switch (type) {
    case CQK_Q4_0: *coding = (cqk_coding){CQK_PLAIN, 8, 1}; return 1;
    case CQK_Q4_1: *coding = (cqk_coding){CQK_OFFSET, 0, 1}; return 1;
    case CQK_Q5_0: *coding = (cqk_coding){CQK_PLAIN, 16, 0}; return 1;
    case CQK_Q5_1: *coding = (cqk_coding){CQK_OFFSET, 0, 0}; return 1;
    case CQK_Q8_0: case CQK_IQ4_NL: *coding = (cqk_coding){CQK_PLAIN, 128, 0}; return 1;
    case CQK_Q3_K: *coding = (cqk_coding){CQK_HALVED, 4, 1}; return 1;
    case CQK_Q4_K: *coding = (cqk_coding){CQK_MINIMUM, 0, 1}; return 1;
    case CQK_Q5_K: *coding = (cqk_coding){CQK_MINIMUM, 0, 0}; return 1;
    case CQK_Q6_K: *coding = (cqk_coding){CQK_HALVED, 32, 0}; return 1;
    case CQK_IQ4_XS: *coding = (cqk_coding){CQK_SIGNED, 128, 0}; return 1;
    default: return 0;
  }
}

// Bytes before every 8 blocks, and of a block's own scales.
static inline size_t cqk_head_bytes(cqk_scales s) {
  return s == CQK_MINIMUM ? 64 : s == CQK_SIGNED || s == CQK_HALVED ? 32 : 0;
}
static inline size_t cqk_scale_bytes(cqk_scales s) {
  return s == CQK_OFFSET ? 64 : s == CQK_SIGNED ? 16 : 32;
}
static inline size_t cqk_code_bytes(int is_small) { return is_small ? 256 : 512; }

// A row of inputs is a run of blocks of 32: everything that a product needs of one stands together.
typedef struct {
  int8_t code[32];
  float scale;          // d
  float offset;         // d · (sum of the codes)
  int32_t sum;          // negative sum of the codes
  int32_t half_sum[2];  // negative sums of the first 16 and the last
} cqk_x_block;

package import CQuantKernels

/// How products with weights are computed. Whichever is chosen, results have the same bits for any batch, cache, number
/// of threads and processor; between the three they differ.
public enum Precision: String, Sendable, Codable, CaseIterable {
  /// Weights are dequantized exactly and multiplied in F32: agrees with other programs' F32 to about 1e-6.
  case f32
  /// Weights and inputs are rounded to bf16 (relative error 2⁻⁹), products summed in F32. By far the fastest on many
  /// tokens where the processor has a tile multiplier (AMX), several times as fast as ``f32`` where it multiplies pairs
  /// (AVX512-BF16); elsewhere no faster than ``f32``.
  case bf16
  /// Quantized weights as they are stored, inputs in 8 bits by blocks of 32 (error up to 1/254 of a block's greatest).
  /// The fastest for one token at a time, and on processors without AMX for many. Weights are packed anew in memory of
  /// the model's own. Types that have no integer products (F32, F16, BF16, Q2_K) are multiplied as in ``f32``.
  case int8
}

extension TensorType {
  /// The kernels' name for this type: both take GGUF's numbers.
  package var kernelType: cqk_type { cqk_type(rawValue) }

  /// Whether ``Precision/int8`` multiplies this type as integers.
  package var hasIntegerProducts: Bool { cqk_int8_panel_bytes(kernelType, 256) > 0 }
}

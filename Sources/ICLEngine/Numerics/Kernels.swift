package import CQuantKernels
import Foundation

/// The numeric kernels of this run, chosen once by what the processor can do. The environment variable `ICL_KERNEL`
/// (`reference`, `avx2`, `avx2vnni`, `avx512`, `avx512vnni`, `avx512bf16` or `amx`) forces one; results have the same bits with each.
package enum Kernels {
  /// The functions that all products and pointwise operations go through.
  package static let table: cqk_kernels = choice.table

  /// One of ``available``.
  package static let name = String(cString: table.name)

  /// Throws when `ICL_KERNEL` names no kernel or one that this processor can't run.
  package static func check() throws(EngineError) {
    if let error = choice.error { throw error }
  }

  /// The table of one instruction set; `nil` when the processor lacks it.
  package static func table(named name: String) -> cqk_kernels? {
    byName.first { $0.name == name }.flatMap { cqk_kernels_for($0.isa)?.pointee }
  }

  /// The names of the tables that this processor can run, slowest first.
  package static let available: [String] = byName.map(\.name).filter { table(named: $0) != nil }

  private static let byName: [(name: String, isa: cqk_isa)] = [
    ("reference", CQK_REFERENCE), ("avx2", CQK_AVX2), ("avx2vnni", CQK_AVX2_VNNI), ("avx512", CQK_AVX512),
    ("avx512vnni", CQK_AVX512_VNNI), ("avx512bf16", CQK_AVX512_BF16), ("amx", CQK_AMX),
  ]

  private static let choice: (table: cqk_kernels, error: EngineError?) = {
    guard let best = available.last.flatMap(table(named:)) else { preconditionFailure("the reference is always there") }
    guard let wish = ProcessInfo.processInfo.environment["ICL_KERNEL"], !wish.isEmpty else { return (best, nil) }
    if let table = table(named: wish) { return (table, nil) }
    let error = EngineError(
      .invalidArgument, "ICL_KERNEL asks for kernels that this processor can't run", at: "environment ICL_KERNEL",
      expected: available.joined(separator: ", "), found: wish, nextStep: "unset ICL_KERNEL, or choose one of these")
    return (best, error)
  }()
}

internal import COpenBLAS
import Foundation

/// OpenBLAS, loaded at its first use: whoever needs none of it has neither its threads nor its room.
///
/// It chooses its kernels while it is loaded, by processors that it knows: Debian 12's takes a newer one with AVX-512
/// for a Haswell and has half the speed. So the core is named by what the processor can do, unless the user has named
/// one. Products are split between our own threads; OpenBLAS gets one.
package enum OpenBLAS {
  typealias SGEMM =
    @convention(c) (
      CBLAS_ORDER, CBLAS_TRANSPOSE, CBLAS_TRANSPOSE, blasint, blasint, blasint, Float, UnsafePointer<Float>, blasint,
      UnsafePointer<Float>, blasint, Float, UnsafeMutablePointer<Float>, blasint
    ) -> Void

  /// `cblas_sgemm`; `nil` where the library isn't installed.
  static let sgemm: SGEMM? = symbol("cblas_sgemm").map { unsafeBitCast($0, to: SGEMM.self) }

  /// The processor whose kernels OpenBLAS runs, by its own word; `nil` where it isn't installed.
  package static var coreName: String? {
    typealias Name = @convention(c) () -> UnsafePointer<CChar>?
    return symbol("openblas_get_corename").flatMap { unsafeBitCast($0, to: Name.self)() }.map { String(cString: $0) }
  }

  private static func symbol(_ name: String) -> UnsafeMutableRawPointer? { library.handle.flatMap { dlsym($0, name) } }

  private struct Library: @unchecked Sendable { let handle: UnsafeMutableRawPointer? }

  private static let library: Library = {
    let core = Kernels.available.contains("avx512") ? "SkylakeX" : Kernels.available.contains("avx2") ? "Haswell" : nil
    // Read while the library is loaded, and of no use to anybody afterwards: what this process starts shall not see it.
    let settings = [("OPENBLAS_CORETYPE", core), ("OPENBLAS_NUM_THREADS", "1")].filter { getenv($0.0) == nil }
    for (name, value) in settings { if let value { setenv(name, value, 1) } }
    defer { for (name, _) in settings { unsetenv(name) } }
    let names = ["libopenblas.so.0", "libopenblas.so"]
    return Library(handle: names.lazy.compactMap { dlopen($0, RTLD_NOW | RTLD_LOCAL) }.first)
  }()
}

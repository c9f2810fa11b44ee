import Foundation
import ICLEngine
import Testing

@Suite struct OpenBLASTests {
  private static let isNamed = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"] != nil

  @Test(.enabled(if: OpenBLAS.coreName != nil && !isNamed, "OpenBLAS is not installed, or OPENBLAS_CORETYPE is set"))
  func `runs the kernels that the processor can run`() throws {
    if Kernels.available.contains("avx2") {
      #expect(OpenBLAS.coreName == (Kernels.available.contains("avx512") ? "SkylakeX" : "Haswell"))
    }
    // What it was told is not handed on to what this process starts.
    #expect(getenv("OPENBLAS_CORETYPE") == nil)
  }
}

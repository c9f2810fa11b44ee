import COpenSSL
import Foundation
import Synchronization

/// A whole file, mapped read-only into memory: nothing is read until it is looked at, and nothing is copied.
///
/// Another process that truncates the file while it is mapped ends this one with a bus error; replacing the file by
/// renaming a new one over it is safe.
package final class MappedFile: @unchecked Sendable {
  package let path: String
  /// Never written: this makes the class Sendable.
  private let base: UnsafeRawPointer
  package let byteCount: Int
  private let hash = Mutex<String?>(nil)

  package init(path: String) throws(EngineError) {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw EngineError(
        .unreadableFile, "the file can't be opened", at: path, expected: "a readable file",
        found: String(cString: strerror(errno)), nextStep: "check the path and its permissions")
    }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
      throw EngineError(
        .unreadableFile, "this is not a regular file", at: path, expected: "a file",
        found: info.st_mode & S_IFMT == S_IFDIR ? "a folder" : "something else",
        nextStep: "give the path of the weight file itself")
    }
    guard info.st_size > 0 else {
      throw EngineError(
        .malformedFile, "the file is empty", at: path, expected: "a weight file", found: "0 bytes",
        nextStep: "download it again")
    }
    byteCount = Int(info.st_size)
    guard let mapping = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), mapping != MAP_FAILED else {
      throw EngineError(
        .unreadableFile, "the file can't be mapped into memory", at: path, found: String(cString: strerror(errno)),
        nextStep: "check the limit on address space (ulimit -v)")
    }
    base = UnsafeRawPointer(mapping)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: base), byteCount) }

  /// The file's bytes; valid while this object lives.
  package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

  /// Lower-case hexadecimal SHA-256 of the file; computed on first use, then kept.
  package var sha256: String {
    hash.withLock { known in
      if let known { return known }
      var digest = [UInt8](repeating: 0, count: 32)
      let context = EVP_MD_CTX_new()
      EVP_DigestInit_ex(context, EVP_sha256(), nil)
      EVP_DigestUpdate(context, base, byteCount)
      EVP_DigestFinal_ex(context, &digest, nil)
      EVP_MD_CTX_free(context)
      let text = digest.map { String(UInt32($0) + 256, radix: 16).dropFirst() }.joined()
      known = text
      return text
    }
  }
}

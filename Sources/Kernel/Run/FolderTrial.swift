import Foundation
import Glibc

/// Tries in a folder what will be done there, instead of reading its permissions: those say nothing of a file system
/// that is read-only, full or mounted `noexec`, nor of another user's rules.
enum FolderTrial {
  enum Purpose: Sendable {
    case writing
    /// Files written there are loaded as code.
    case running
  }

  /// Makes the folder where it is missing, and tries it.
  /// - Returns: why it can't be used; `nil` when it can.
  static func fault(of folder: String, for purpose: Purpose) -> String? {
    guard folder.hasPrefix("/") else { return "\(folder) is not an absolute path" }
    if let fault = make(folder) { return fault }
    var path = "\(folder)/.icl-trial-XXXXXX".utf8CString.map { $0 }
    let file = mkstemp(&path)
    guard file >= 0 else { return "\(folder) can't be written: \(reason())" }
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    defer {
      unlink(path)
      close(file)
    }
    let block = [UInt8](repeating: 0, count: 1 << 16)
    let written = write(file, block, block.count)
    guard written == block.count else {
      return "\(folder) can't be written: \(written < 0 ? reason() : "its disk is full")"
    }
    guard purpose == .running else { return nil }
    let page = mmap(nil, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0)
    guard let page, page != MAP_FAILED else {
      let isMountedSo = errno == EPERM || errno == EACCES
      return isMountedSo
        ? "\(folder) holds no code that may be run: it is mounted noexec"
        : "\(folder) holds no code that may be run: \(reason())"
    }
    munmap(page, 4096)
    return nil
  }

  /// Every missing folder on the way, for the user alone.
  private static func make(_ folder: String) -> String? {
    var status = stat()
    if stat(folder, &status) == 0 {
      return status.st_mode & S_IFMT == S_IFDIR ? nil : "\(folder) is not a folder"
    }
    guard errno == ENOENT || errno == ENOTDIR else { return "\(folder) can't be reached: \(reason())" }
    let parent = (folder as NSString).deletingLastPathComponent
    if parent != folder, let fault = make(parent) { return fault }
    // Another kernel may be making it as well.
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { return "\(folder) can't be made: \(reason())" }
    return nil
  }

  /// A folder that nobody else can have prepared or can exchange: for what must not be another's.
  /// - Returns: why it isn't one; `nil` when it is.
  static func faultOfPrivate(_ folder: String) -> String? {
    let parent = (folder as NSString).deletingLastPathComponent
    var status = stat()
    guard stat(parent, &status) == 0 else { return "\(parent) can't be reached: \(reason())" }
    let isOpen = status.st_mode & (S_IWGRP | S_IWOTH) != 0 && status.st_mode & S_ISVTX == 0
    guard !isOpen, status.st_uid == 0 || status.st_uid == geteuid() else {
      return "others may exchange what lies in \(parent)"
    }
    guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { return "\(folder) can't be made: \(reason())" }
    // Not followed: a link is somebody's who chose where it leads.
    guard lstat(folder, &status) == 0 else { return "\(folder) can't be reached: \(reason())" }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      return "\(folder) is not a folder of this user alone"
    }
    return nil
  }

  private static func reason() -> String { String(cString: strerror(errno)) }
}

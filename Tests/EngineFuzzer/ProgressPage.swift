import Foundation

/// What a worker says of itself in a page of memory that it shares with its campaign: it is still there when the
/// worker is not.
///
/// Each side reads and writes aligned 64-bit words of the mapping, which no one else holds.
final class ProgressPage {
  enum Slot: Int {
    /// The number of the case at work.
    case number
    /// The process's CPU time when that case began, in nanoseconds.
    case began
    case accepted, refused
    /// The longest CPU time of a case in nanoseconds, and its number.
    case longest, longestNumber
    /// The most memory that the process had beyond what it had before the first case, in bytes.
    case growth
  }

  private let base: UnsafeMutablePointer<Int64>
  private static let byteCount = 4096

  init(path: String) throws {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0, ftruncate(descriptor, off_t(Self.byteCount)) == 0,
      let mapping = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), mapping != MAP_FAILED
    else { throw Target.Surprise(what: "no shared page at \(path): \(String(cString: strerror(errno)))") }
    close(descriptor)
    base = mapping.bindMemory(to: Int64.self, capacity: Self.byteCount / 8)
  }

  deinit { munmap(base, Self.byteCount) }

  subscript(_ slot: Slot) -> Int {
    get { Int(base[slot.rawValue]) }
    set { base[slot.rawValue] = Int64(newValue) }
  }
}

/// Nanoseconds of CPU time of this process, all threads together.
func processTime() -> Int {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Nanoseconds of CPU time of another process, or `nil` when it is gone.
func processTime(of process: pid_t) -> Int? {
  var clock = clockid_t()
  var time = timespec()
  guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
  return time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Signals by the names that everybody knows them by.
enum SignalName {
  /// `SIGKILL` of 9.
  static func of(_ signal: Int32) -> String {
    if names.indices.contains(Int(signal) - 1) { return "SIG" + names[Int(signal) - 1] }
    return "signal \(signal)"
  }

  /// In the order of Linux on x86 and ARM, from 1.
  private static let names = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
  ]
}

import Foundation
import Glibc

/// Where a kernel compiles cells, and where it keeps what outlives a session: one rule for all of it.
///
/// For each use there are places in a fixed order, and the first one is taken in which that use works when it is
/// tried (``FolderTrial``):
///
/// | use | places |
/// |---|---|
/// | sessions | `TMPDIR`, `/tmp`, `/var/tmp`, `XDG_RUNTIME_DIR`, `/dev/shm`, those of caches, the working directory |
/// | caches | `ICL_CACHE`, `$XDG_CACHE_HOME/icl-kernel`, `~/.cache/icl-kernel`, the private folder, the session's folder |
/// | history | `ICL_HISTORY`, `$XDG_DATA_HOME/icl-kernel`, `~/.local/share/icl-kernel`, the private folder, memory |
///
/// `~` is `HOME` or, where that isn't set, the home of the password file. The private folder lies beside the sessions'
/// folders, `icl-kernel-<user id>`, and is used only if nobody else can have made it. A place that the user asked for
/// and that doesn't work is named in ``warning``.
package struct UserFolders: Sendable {
  /// What isn't as it was asked for: why, and what is done instead.
  package struct Finding: Sendable, Equatable {
    package enum Use: String, Sendable { case sessions, cache, packages, history }
    package var use: Use
    /// Each place that doesn't work, in the order in which they were tried.
    package var faults: [String]
    /// What is done instead.
    package var consequence: String

    package init(use: Use, faults: [String], consequence: String) {
      self.use = use
      self.faults = faults
      self.consequence = consequence
    }
  }

  /// The folder in which sessions' folders are made; `nil` when there is none: no cell can be run then.
  package var sessions: String?
  /// What is compiled once for all sessions; `nil` when each session keeps its own.
  package var cache: String?
  /// The same for packages, whose code is run where it lies.
  package var packages: String?
  /// The history's file; `nil` when it is kept in memory.
  package var history: String?
  package var findings: [Finding] = []
  /// What tools need that want a home to write in, where the user's own is none.
  package var toolVariables: [String: String] = [:]

  /// Looks for all of them, in some milliseconds.
  package init(
    environment: [String: String] = ProcessInfo.processInfo.environment,
    workingDirectory: String = FileManager.default.currentDirectoryPath
  ) {
    let candidates = FolderCandidates(environment: environment, workingDirectory: workingDirectory)
    findSessions(candidates)
    let shelter = candidates.privateFolder(in: sessions)
    cache = find(.cache, candidates.caches, shelter: shelter.map { $0 + "/cache" })
    packages = find(.packages, candidates.caches.map { $0 + "/packages" }, shelter: shelter.map { $0 + "/packages" })
    history = find(.history, candidates.histories, shelter: shelter.map { $0 + "/history.sqlite" })
    toolVariables = candidates.toolVariables(shelter: packages.map { $0 + "/home" })
  }

  /// Folders of the caller's own choice, which aren't tried.
  package init(sessions: String, cache: String?, packages: String? = nil, history: String? = nil) {
    self.sessions = sessions
    self.cache = cache
    self.packages = packages ?? cache.map { $0 + "/packages" }
    self.history = history
  }

  private mutating func findSessions(_ candidates: FolderCandidates) {
    var faults: [String] = []
    for place in candidates.sessions {
      guard let fault = FolderTrial.fault(of: place, for: .running) else {
        sessions = place
        if !faults.isEmpty { note(.sessions, faults, "\(Finding.Use.sessions.content) in \(place)") }
        return
      }
      faults.append(fault)
    }
    note(.sessions, faults, "no cell can run")
  }

  /// - Parameter shelter: the place of last resort, which lasts as long as temporary files do.
  private mutating func find(_ use: Finding.Use, _ places: [String], shelter: String?) -> String? {
    var faults: [String] = []
    for place in places + (shelter.map { [$0] } ?? []) {
      if let fault = use.fault(of: place) {
        faults.append(fault)
        continue
      }
      let duration = place == shelter ? ", for as long as temporary files last" : ""
      if !faults.isEmpty || place == shelter {
        note(use, faults.isEmpty ? [Self.noHome] : faults, "\(use.content) in \(place)\(duration)")
      }
      return place
    }
    note(use, faults.isEmpty ? [Self.noHome] : faults, "\(use.content) for this session alone")
    return nil
  }

  private static let noHome = "no home folder is known: HOME is not set"

  // MARK: What is told

  private mutating func note(_ use: Finding.Use, _ faults: [String], _ consequence: String) {
    findings.append(Finding(use: use, faults: faults, consequence: consequence))
  }

  /// Adds what was found later, when the history was opened.
  package mutating func noteHistory(_ fault: String) {
    note(.history, [fault], "\(Finding.Use.history.content) for this session alone")
    history = nil
  }

  /// One text for the log and for the user; `nil` when everything is where it was asked for.
  package var warning: String? {
    guard !findings.isEmpty, sessions != nil else { return nil }
    var lines: [String] = []
    var told: Set<String> = []
    for finding in findings {
      // Caches, packages and the history often fail for one and the same reason.
      let new = finding.faults.filter { told.insert($0).inserted }
      lines += new.map { "  \($0)" } + ["    so \(finding.consequence)"]
    }
    let uses = Set(findings.map(\.use))
    let ways = [
      uses.contains(.sessions) ? "TMPDIR" : nil,
      uses.contains(.cache) || uses.contains(.packages) ? "ICL_CACHE (a folder)" : nil,
      uses.contains(.history) ? "ICL_HISTORY (a file)" : nil,
    ].compactMap { $0 }
    return "Folders that the kernel wants to use can't be used:\n" + lines.joined(separator: "\n")
      + "\nTo choose other places, set \(ways.joined(separator: " and ")) in the kernel's environment.\n"
  }

  /// Why no cell can be run, where ``sessions`` is `nil`.
  package var sessionsFailure: KernelError {
    KernelError(
      .folders, "there is no folder in which cells can be compiled and run",
      expected: "a folder that can be written and isn't mounted noexec, as a cell is a shared object that is loaded",
      found: findings.first { $0.use == .sessions }?.faults.joined(separator: "\n            "),
      nextStep: "set TMPDIR to such a folder in the kernel's environment (docker: --tmpfs /tmp:exec)")
  }
}

extension UserFolders.Finding.Use {
  /// What lies there, as the subject of a sentence that goes on with "in" and a place.
  var content: String {
    switch self {
    case .sessions: "cells are compiled"
    case .cache: "what the compiler makes of C modules is kept"
    case .packages: "what %package builds is kept"
    case .history: "the history of inputs is kept"
    }
  }

  /// Tries a place for this use.
  fileprivate func fault(of place: String) -> String? {
    switch self {
    case .sessions, .packages: return FolderTrial.fault(of: place, for: .running)
    case .cache: return FolderTrial.fault(of: place, for: .writing)
    case .history:
      let folder = (place as NSString).deletingLastPathComponent
      if let fault = FolderTrial.fault(of: folder, for: .writing) { return fault }
      // A file that is there already may be another user's, left by a session as root most likely.
      guard access(place, F_OK) == 0, access(place, R_OK | W_OK) != 0 else { return nil }
      return "\(place) can't be written: \(String(cString: strerror(errno)))"
    }
  }
}

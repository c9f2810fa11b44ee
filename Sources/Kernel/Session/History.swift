package import Foundation
internal import GRDB
package import Logging
internal import Synchronization

/// Inputs of all sessions, kept in SQLite; several kernels may share the file (WAL).
///
/// Tables: `session(id, started)` and `entry(session, line, source, output)`. Writing is done on a queue: a slow disk
/// or another kernel's lock never holds a cell.
package final class History: Sendable {
  package struct Entry: Sendable, Equatable {
    package let session: Int
    package let line: Int
    package let source: String
    package let output: String?
  }

  private let database: any DatabaseWriter
  private let writes = DispatchQueue(label: "history", qos: .utility)
  private let pending = DispatchGroup()
  private let log: Logger
  private let hasFailed = Mutex(false)
  /// This session's number.
  package let session: Int

  private static let schema = """
    CREATE TABLE IF NOT EXISTS session(id INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS entry(
      session INTEGER NOT NULL, line INTEGER NOT NULL, source TEXT NOT NULL, output TEXT,
      PRIMARY KEY(session, line));
    """

  /// Opens a history as a session would, writes to it, and takes that back.
  /// - Throws: what a session would meet.
  package static func check(_ path: String) throws {
    var configuration = Configuration()
    configuration.busyMode = .timeout(5)
    try DatabasePool(path: path, configuration: configuration).writeWithoutTransaction { db in
      try db.inTransaction {
        try db.execute(sql: schema)
        try db.execute(sql: "INSERT INTO session(started) VALUES (?)", arguments: ["trial"])
        return .rollback
      }
    }
  }

  /// - Parameter path: the database file; `nil` for one in memory, gone with the session.
  package init(path: String?, log: Logger) throws(KernelError) {
    self.log = log
    do {
      if let path {
        // What a user types is nobody else's business.
        try FileManager.default.createDirectory(
          at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true,
          attributes: [.posixPermissions: 0o700])
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        database = try DatabasePool(path: path, configuration: configuration)
      } else {
        database = try DatabaseQueue()
      }
      session = try database.write { db in
        try db.execute(sql: Self.schema)
        try db.execute(
          sql: "INSERT INTO session(started) VALUES (?)", arguments: [Date.now.formatted(.iso8601)])
        return Int(db.lastInsertedRowID)
      }
    } catch {
      throw KernelError(
        .history, "the history cannot be opened", at: path, found: "\(error)",
        nextStep: "free the file or set ICL_HISTORY to another path; the session goes on without history")
    }
  }

  package func add(line: Int, source: String) {
    write(
      "INSERT OR REPLACE INTO entry(session, line, source) VALUES (?, ?, ?)", [session, line, source])
  }

  package func setOutput(_ output: String, line: Int) {
    write("UPDATE entry SET output = ? WHERE session = ? AND line = ?", [output, session, line])
  }

  private func write(_ sql: String, _ arguments: StatementArguments) {
    writes.async(group: pending) { [self] in
      do { try database.write { try $0.execute(sql: sql, arguments: arguments) } } catch { tell(error) }
    }
  }

  /// Waits until what was added is in the database.
  package func flush(by deadline: DispatchTime) { _ = pending.wait(timeout: deadline) }

  /// Says once that the history has a hole: the session goes on, and each further cell would say the same.
  private func tell(_ error: any Error) {
    let isFirst = hasFailed.withLock { hasFailed in
      defer { hasFailed = true }
      return !hasFailed
    }
    if isFirst { log.warning("the history misses inputs of this session from now on: \(error)") }
  }

  /// What a history_request asks for, oldest first.
  package func entries(_ request: HistoryRequest) -> [Entry] {
    // A client that saw a cell's reply expects to find the cell.
    flush(by: .now() + 1)
    do { return try read(request) } catch {
      tell(error)
      return []
    }
  }

  private func read(_ request: HistoryRequest) throws -> [Entry] {
    try database.read { db in
      switch request.access {
      case .tail:
        return try Self.fetch(db, newest: request.count ?? 10, unique: request.unique)
      case .search:
        return try Self.fetch(db, matching: request.pattern, newest: request.count, unique: request.unique)
      case .range:
        // 0 is this session, negative numbers count back from it.
        let wanted = request.session > 0 ? request.session : session + request.session
        return try Self.rows(
          db, sql: "SELECT * FROM entry WHERE session = ? AND line >= ? AND line < ? ORDER BY line",
          [wanted, request.start, request.stop ?? Int.max])
      }
    }
  }

  private static func fetch(_ db: Database, matching pattern: String? = nil, newest: Int?, unique: Bool) throws
    -> [Entry]
  {
    // GLOB knows * and ?; its brackets are made literal, since the protocol knows only those two.
    let glob = pattern.map { $0.replacing("[", with: "[[]") }
    // With MAX in the selection SQLite takes the other columns from the newest row of each group.
    var sql = unique ? "SELECT *, MAX(session * 1000000000 + line) FROM entry" : "SELECT * FROM entry"
    var arguments: [any DatabaseValueConvertible] = []
    if let glob {
      sql += " WHERE source GLOB ?"
      arguments.append(glob)
    }
    if unique { sql += " GROUP BY source" }
    sql += " ORDER BY session DESC, line DESC"
    if let newest {
      sql += " LIMIT ?"
      arguments.append(max(0, newest))
    }
    return try rows(db, sql: sql, arguments).reversed()
  }

  private static func rows(_ db: Database, sql: String, _ arguments: [any DatabaseValueConvertible]) throws -> [Entry] {
    try Row.fetchAll(db, sql: sql, arguments: StatementArguments(arguments)).map {
      Entry(session: $0["session"], line: $0["line"], source: $0["source"], output: $0["output"])
    }
  }
}

import Foundation
import Kernel
import Testing

@Suite struct `Tools that are loaded before they are needed` {
  private let folder: String
  private let toolchain: Toolchain
  private let guardian = Notebook.products + "/icl-cell-guard"

  init() throws {
    folder = NSTemporaryDirectory() + "icl-stand-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    toolchain = try #require(Toolchain.find())
  }

  /// Waits until a tool stands ready. It is started on another thread.
  private func take(_ executable: String, from stand: ToolStand) throws -> ReadyTool {
    let deadline = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < deadline {
      if let tool = stand.take(executable) { return tool }
      usleep(1000)
    }
    throw CompileFailure.system("no tool stood ready within a minute")
  }

  @Test func `say and do the same as tools that are started when needed`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    // A name that needs all the quoting there is.
    let file = folder + #"/a "b" \c 'd' größe.swift"#
    try Data("let x: Int = \"text\"\n".utf8).write(to: URL(fileURLWithPath: file))
    let arguments = [toolchain.frontend, "-typecheck", "-diagnostic-style", "llvm", "-no-color-diagnostics", file]
    let plain = try ToolRunner(guardian: guardian).run(arguments)
    #expect(plain.status == 1 && plain.output.contains(#"a "b" \c 'd' größe.swift:1:14: error: cannot convert"#))

    let stand = ToolStand(folder: folder, guardian: guardian)
    for _ in 0..<2 {
      stand.prepare(toolchain.frontend)
      let tool = try take(toolchain.frontend, from: stand)
      #expect(try ToolRunner(guardian: guardian).run(arguments, ready: tool) == plain)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".arguments") } == [])
  }

  @Test func `are replaced by others when they have ended meanwhile`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let stand = ToolStand(folder: folder, guardian: guardian)
    stand.prepare("/bin/false")
    let tool = try take("/bin/false", from: stand)
    let result = try ToolRunner(guardian: guardian).run(["/bin/false"], ready: tool)
    #expect(result == ToolResult(status: 1, signal: 0, output: ""))
  }

  @Test func `are not used by one who was told to stop`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let stand = ToolStand(folder: folder, guardian: guardian)
    stand.prepare(toolchain.frontend)
    let tool = try take(toolchain.frontend, from: stand)
    let runner = ToolRunner(guardian: guardian)
    runner.cancel()
    #expect(throws: CompileFailure.self) { try runner.run([toolchain.frontend, "-version"], ready: tool) }
  }

  @Test func `are gone when the stand is closed`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let stand = ToolStand(folder: folder, guardian: guardian)
    stand.prepare(toolchain.linker)
    stand.close()
    stand.prepare(toolchain.linker)
    #expect(stand.take(toolchain.linker) == nil)
  }
}

import Foundation
import Glibc
import Kernel

/// What `doctor` looks at, in the order in which one thing needs another.
enum Checkup {
  static func all() -> [Check] {
    toolchain() + [
      library("libzmq", "libzmq.so.5", package: "libzmq5", for: "messages"),
      library("OpenSSL", "libcrypto.so.3", package: "libssl3", for: "signatures"),
      library("OpenBLAS", "libopenblas.so.0", package: "libopenblas0", for: "growing a model"),
      file(
        "cell host", Installation.cellHost, isThere: FileManager.default.isExecutableFile,
        mend: build("icl-cell-host")),
      file(
        "cell guard", Installation.cellGuard, isThere: FileManager.default.isExecutableFile,
        mend: build("icl-cell-guard")),
      file(
        "modules for cells", Installation.modules + "/ICLEngine.swiftmodule", mend: build("ICLEngine")),
      model(),
    ] + CellTrial.checks() + [jupyter(), kernelspec()]
  }

  private static func toolchain() -> [Check] {
    guard let toolchain = Toolchain.find() else {
      return [
        Check(
          name: "Swift toolchain", ok: false,
          found: "no folder with swift-frontend, ld.lld and the Swift runtime on PATH or in ICL_TOOLCHAIN",
          mend: "install Swift 6.2 or newer from https://www.swift.org/install/linux/, "
            + "then export ICL_TOOLCHAIN=/path/to/it/usr")
      ]
    }
    let version = try? Subprocess.run(toolchain.frontend, ["-version"])
    let answer = version?.output.split(separator: "\n").first.map(String.init)
    return [
      Check(
        name: "Swift toolchain", ok: version?.status == 0,
        found: "\(toolchain.root) (\(answer ?? "swift-frontend does not start"))",
        mend: "\(toolchain.frontend) -version   # says what is wrong with it"),
      file("linker", toolchain.linker, mend: "export ICL_TOOLCHAIN=/path/to/a/complete/toolchain/usr"),
      Check(
        name: "completion", ok: FileManager.default.fileExists(atPath: toolchain.sourceKit), needed: false,
        found: FileManager.default.fileExists(atPath: toolchain.sourceKit)
          ? toolchain.sourceKit
          : "\(toolchain.sourceKit) is not there: cells run, but nothing is completed or explained",
        mend: "export ICL_TOOLCHAIN=/path/to/a/complete/toolchain/usr"),
    ]
  }

  private static func library(_ name: String, _ soname: String, package: String, for use: String) -> Check {
    let handle = dlopen(soname, RTLD_LAZY | RTLD_LOCAL)
    if let handle { dlclose(handle) }
    return Check(
      name: name, ok: handle != nil,
      found: handle != nil ? soname : "\(soname) cannot be loaded (needed for \(use))",
      mend: "sudo apt-get install \(package)")
  }

  private static func file(
    _ name: String, _ path: String, isThere: (String) -> Bool = FileManager.default.fileExists, mend: String
  ) -> Check {
    let ok = isThere(path)
    return Check(name: name, ok: ok, found: ok ? path : "\(path) is not there", mend: mend)
  }

  private static func build(_ product: String) -> String {
    guard let checkout = Installation.kernelspec?.deletingLastPathComponent().path else {
      return "swift build -c release   # in the checkout; \(product) is a part of it"
    }
    return "make -C \(checkout) build"
  }

  private static func model() -> Check {
    let isNamed = ProcessInfo.processInfo.environment["ICL_MODEL"]?.isEmpty == false
    return file(
      isNamed ? "model (ICL_MODEL)" : "model that ships", Installation.model,
      mend: isNamed ? "unset ICL_MODEL   # or name a GGUF file that exists" : build("the model"))
  }

  // MARK: Jupyter

  private static func jupyter() -> Check {
    let places = [Installation.kernelspec?.deletingLastPathComponent().path].compactMap { $0 }
      .map { $0 + "/.venv/bin/jupyter" }
    for program in places + ["jupyter"] where program == "jupyter" || FileManager.default.fileExists(atPath: program) {
      if let answer = try? Subprocess.run(program, ["lab", "--version"]), answer.status == 0 {
        return Check(name: "JupyterLab", ok: true, needed: false, found: "\(program) lab \(answer.output)")
      }
    }
    return Check(
      name: "JupyterLab", ok: false, needed: false, found: "not found: notebooks need it or another Jupyter client",
      mend: "python3 -m pip install jupyterlab")
  }

  /// Looks in every folder where Jupyter looks for kernels that start this executable.
  private static func kernelspec() -> Check {
    let own = Installation.executable.path
    var stale: String?
    for folder in kernelFolders {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? [] {
        let path = "\(folder)/\(name)/kernel.json"
        guard let data = FileManager.default.contents(atPath: path),
          let spec = try? JSONDecoder().decode(KernelSpec.self, from: data), let program = spec.argv.first
        else { continue }
        if program == own { return Check(name: "kernelspec", ok: true, found: path) }
        if program.hasSuffix("/icl-kernel") { stale = "\(path) starts \(program), not this executable" }
      }
    }
    return Check(
      name: "kernelspec", ok: false, found: stale ?? "Jupyter does not know this kernel",
      mend: "\(own) install --user")
  }

  private static var kernelFolders: [String] {
    let environment = ProcessInfo.processInfo.environment
    var folders = (environment["JUPYTER_PATH"] ?? "").split(separator: ":").map(String.init)
    folders.append(Installation.jupyterUserData.path)
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
      if let path = environment[variable], !path.isEmpty { folders.append(path + "/share/jupyter") }
    }
    if let checkout = Installation.kernelspec?.deletingLastPathComponent().path {
      folders.append(checkout + "/.venv/share/jupyter")
    }
    folders += ["/usr/local/share/jupyter", "/usr/share/jupyter"]
    return folders.map { $0 + "/kernels" }
  }
}

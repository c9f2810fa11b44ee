// swift-tools-version: 6.2
import PackageDescription

/// One set of rules for every Swift target of ours.
let swift: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

/// Numeric kernels are optimised in debug builds too: tests must not wait for -O0 arithmetic.
let kernels: [CSetting] = [
  .unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"])
]

let package = Package(
  name: "swift-icl-kernel",
  products: [
    .executable(name: "icl-kernel", targets: ["KernelCLI"]),
    .executable(name: "icl-cell-host", targets: ["CellHost"]),
    .executable(name: "icl-cell-guard", targets: ["CellGuard"]),
    .library(name: "ICLEngine", targets: ["ICLEngine"]),
    .library(name: "NotebookDisplay", targets: ["NotebookDisplay"]),
    .library(name: "NotebookCharts", targets: ["NotebookCharts"]),
  ],
  dependencies: [
    .package(url: "https://github.com/swiftlang/swift-syntax", exact: "603.0.1"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // System libraries: a module map and a shim, nothing else.
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "COpenBLAS", providers: [.apt(["libopenblas-dev"])]),

    // libzmq (Debian: libzmq3-dev) is loaded when it is used, so that a program starts without it and says so.
    .target(name: "CZeroMQ"),

    // C, where Swift cannot reach: SIMD products; signals, parked threads and wrapped symbols.
    .target(name: "CQuantKernels", cSettings: kernels),
    .target(name: "CHostSupport"),

    // What user types need to show themselves. Depends on nothing.
    .target(name: "NotebookDisplay", swiftSettings: swift),
    // Charts in Swift Charts' words, drawn as SVG. Must not depend on the engine or the kernel.
    .target(name: "NotebookCharts", dependencies: ["NotebookDisplay"], swiftSettings: swift),
    // What the kernel process and the cell host say to one another.
    .target(name: "HostProtocol", dependencies: ["NotebookDisplay"], swiftSettings: swift),
    // What generated cell code calls. Must not depend on the engine or the kernel.
    .target(name: "CellSupport", dependencies: ["NotebookDisplay", "CHostSupport"], swiftSettings: swift),

    // The engine. Must not depend on the kernel, on Jupyter or on sockets.
    .target(
      name: "ICLEngine",
      dependencies: ["CQuantKernels", "COpenBLAS", "COpenSSL", "NotebookDisplay"],
      resources: [.copy("Resources")],
      swiftSettings: swift),

    // The Jupyter kernel. Must not depend on the engine: it compiles and runs any cell.
    .target(
      name: "Kernel",
      dependencies: [
        "CZeroMQ", "COpenSSL", "CHostSupport", "HostProtocol", "NotebookDisplay",
        .product(name: "SwiftSyntax", package: "swift-syntax"),
        .product(name: "SwiftParser", package: "swift-syntax"),
        .product(name: "SwiftParserDiagnostics", package: "swift-syntax"),
        .product(name: "SwiftOperators", package: "swift-syntax"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "GRDB", package: "GRDB.swift"),
      ],
      swiftSettings: swift),

    // The child process in which cells run: the engine is loaded here, and only here.
    .executableTarget(
      name: "CellHost",
      dependencies: [
        "ICLEngine", "NotebookCharts", "CellSupport", "HostProtocol", "NotebookDisplay", "CHostSupport",
      ],
      swiftSettings: swift,
      // Cells are shared objects that find the engine's symbols in this executable.
      linkerSettings: [.unsafeFlags(["-Xlinker", "--export-dynamic"])]),
    // Ends all that cells have started when the host or the kernel is gone. C: it forks, and weighs nothing.
    .executableTarget(name: "CellGuard"),
    // The engine's headless commands. Must not depend on the kernel.
    .target(
      name: "EngineCommands",
      dependencies: [
        "ICLEngine", "NotebookDisplay", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: swift),
    .executableTarget(
      name: "KernelCLI",
      dependencies: [
        "Kernel", "EngineCommands",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swift),

    .target(name: "Fixtures", path: "Tests/Fixtures", exclude: ["python", "cells"], swiftSettings: swift),
    // Hostile files by the million: `EngineFuzzer --help`.
    .executableTarget(
      name: "EngineFuzzer",
      dependencies: ["ICLEngine", "Fixtures", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "Tests/EngineFuzzer", swiftSettings: swift),
    .testTarget(name: "QuantKernelTests", dependencies: ["CQuantKernels"], swiftSettings: swift),
    .testTarget(
      name: "NotebookChartsTests", dependencies: ["NotebookCharts", "NotebookDisplay"], swiftSettings: swift),
    .testTarget(
      name: "ICLEngineTests", dependencies: ["ICLEngine", "NotebookDisplay", "Fixtures"], swiftSettings: swift),
    .testTarget(
      name: "KernelTests",
      dependencies: [
        "Kernel", "HostProtocol", "NotebookDisplay", "CellSupport", "Fixtures",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: swift),
  ],
  cLanguageStandard: .gnu17
)

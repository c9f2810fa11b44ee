public import Foundation
public import NotebookDisplay

extension Chart {
  /// The picture as an SVG document: the same bytes on every machine.
  public var svg: String { ChartRenderer.svg(self).text }

  public var mimeBundle: MIMEBundle {
    let drawn = ChartRenderer.svg(self)
    return MIMEBundle(data: ["image/svg+xml": drawn.text, "text/plain": TextChart.text(drawn.plan, notes: drawn.notes)])
  }

  /// A drawing in characters, and the first rows of the data.
  public var plainText: String {
    let drawn = ChartRenderer.svg(self)
    return TextChart.text(drawn.plan, notes: drawn.notes)
  }

  /// The values as they were given, one row for each mark: full precision, nothing for `nil`.
  public var data: Table {
    var columns: [String] = []
    var places: [String: Int] = [:]
    var isNumeric: [Bool] = []
    var rows: [[String]] = []
    rows.reserveCapacity(marks.count)
    for mark in marks {
      var row = [String](repeating: "", count: columns.count)
      func add(_ field: Field?, suffix: String = "") {
        guard let field else { return }
        let name = field.label + suffix
        let place: Int
        if let known = places[name] {
          place = known
        } else {
          place = columns.count
          places[name] = place
          columns.append(name)
          isNumeric.append(true)
          row.append("")
        }
        row[place] = Self.exact(field.value)
        if field.value.isCategory { isNumeric[place] = false }
      }
      let style = mark.hasStyle ? mark.style : MarkStyle()
      add(mark.x, suffix: mark.xEnd?.label == mark.x?.label && mark.xEnd != nil ? " start" : "")
      add(mark.x.flatMap { x in x.end.map { Field(label: x.label, value: $0) } }, suffix: " end")
      add(mark.xEnd, suffix: mark.xEnd?.label == mark.x?.label ? " end" : "")
      add(mark.y, suffix: mark.yEnd?.label == mark.y?.label && mark.yEnd != nil ? " start" : "")
      add(mark.y.flatMap { y in y.end.map { Field(label: y.label, value: $0) } }, suffix: " end")
      add(mark.yEnd, suffix: mark.yEnd?.label == mark.y?.label ? " end" : "")
      for field in [
        style.colorBy, style.symbolBy, style.strokeBy, style.symbolSizeBy, style.positionBy, style.series, style.facet,
      ] { add(field) }
      rows.append(row)
    }
    return Table(
      columns, rows, alignment: isNumeric.map { $0 ? .trailing : .leading }, caption: titleText)
  }

  private static func exact(_ value: PlottedValue) -> String {
    guard case .number(let number) = value else { return value.text }
    if number == number.rounded(), number.magnitude < 1e15 { return String(Int(number)) }
    return "\(number)"
  }

  /// Writes the picture; the path's ending says in which form: `.svg`, or `.png` and `.pdf` where `rsvg-convert` is
  /// installed. A `~` at the beginning is the home folder.
  ///
  /// - Parameter scale: pixels of a PNG for each unit of the picture.
  /// - Throws: ``ChartError``.
  public func write(to path: String, scale: Double = 2) throws(ChartError) {
    let file = (path as NSString).expandingTildeInPath
    let ending = (file as NSString).pathExtension.lowercased()
    switch ending {
    case "svg":
      do {
        try Data((svg + "\n").utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
      } catch {
        throw ChartError(.writingFailed, "the chart could not be written to \(path): \(Self.reason(error))")
      }
    case "png", "pdf": try convert(to: file, path, form: ending, scale: scale)
    default:
      throw ChartError(
        .unknownForm, "the ending of \(path) names no form that a chart can be written in: use .svg, .png or .pdf")
    }
  }

  public func write(to url: URL, scale: Double = 2) throws(ChartError) { try write(to: url.path, scale: scale) }

  private static func reason(_ error: any Error) -> String {
    let folder = (error as NSError).userInfo[NSUnderlyingErrorKey].map { "\($0)" }
    return (error as NSError).localizedDescription + (folder.map { " (\($0))" } ?? "")
  }

  private func convert(to file: String, _ path: String, form: String, scale: Double) throws(ChartError) {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
    guard
      let program = folders.map({ "\($0)/rsvg-convert" }).first(where: FileManager.default.isExecutableFile(atPath:))
    else {
      throw ChartError(
        .noRenderer,
        "\(form.uppercased()) needs the program rsvg-convert, which is not on the PATH: install librsvg2-bin, or write "
          + "to a file that ends in .svg")
    }
    let picture = NSTemporaryDirectory() + "/chart-\(UUID().uuidString).svg"
    defer { try? FileManager.default.removeItem(atPath: picture) }
    let process = Process()
    let problems = Pipe()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = [
      "--format", form, "--zoom", "\(min(max(scale.isFinite ? scale : 2, 0.1), 20))", "--output", file, picture,
    ]
    process.standardError = problems
    process.standardOutput = FileHandle.nullDevice
    let text: String
    do {
      try Data(svg.utf8).write(to: URL(fileURLWithPath: picture))
      try process.run()
      text = String(decoding: problems.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
    } catch {
      throw ChartError(.renderingFailed, "\(program) could not be run: \(Self.reason(error))")
    }
    guard process.terminationStatus == 0 else {
      throw ChartError(
        .renderingFailed,
        "\(program) could not write \(path) (status \(process.terminationStatus)): \(text.prefix(400))"
      )
    }
  }
}

extension Chart: CustomStringConvertible {
  /// One line, for charts within lists and structures.
  public var description: String {
    let count = NumberText.fixed(Double(marks.count), 0)
    return "Chart(" + (titleText.map { "\"\($0)\", " } ?? "") + "\(count) \(marks.count == 1 ? "mark" : "marks"))"
  }
}

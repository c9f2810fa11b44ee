/// What a chart is made of: marks, and groups of them.
///
/// A type of your own that is made of marks conforms with a `body`:
///
///     struct Band: ChartContent {
///       let center: Double
///       var body: some ChartContent { RuleMark(y: .value("center", center)) }
///     }
public protocol ChartContent {
  associatedtype Body: ChartContent
  @ChartContentBuilder var body: Body { get }
  /// Adds the marks in the order in which they are drawn. Marks of the library have it; yours get it from `body`.
  func _collect(into list: inout AnyChartContent)
}

extension ChartContent {
  public func _collect(into list: inout AnyChartContent) { body._collect(into: &list) }
}

/// Any marks at all, in the order in which they are drawn.
public struct AnyChartContent: ChartContent, Sendable {
  var marks: [Mark]

  init(marks: [Mark]) { self.marks = marks }
  public init(_ content: some ChartContent) {
    marks = []
    content._collect(into: &self)
  }

  public var body: AnyChartContent { return self }
  public func _collect(into list: inout AnyChartContent) {
    if list.marks.isEmpty { list.marks = marks } else { list.marks += marks }
  }

  /// Every mark changed.
  func mapped(_ change: (inout Mark) -> Void) -> AnyChartContent {
    var result = self
    for index in result.marks.indices { change(&result.marks[index]) }
    return result
  }
}

/// A mark of the library.
protocol MarkContent: ChartContent {
  var mark: Mark { get }
}

extension MarkContent {
  public var body: AnyChartContent { return AnyChartContent(marks: [mark]) }
  public func _collect(into list: inout AnyChartContent) { list.marks.append(mark) }
}

/// Marks in the order in which they are written, with `if`, `switch`, `for` and nested groups.
@resultBuilder
public enum ChartContentBuilder {
  public static func buildExpression<Content: ChartContent>(_ content: Content) -> AnyChartContent {
    AnyChartContent(content)
  }
  public static func buildBlock(_ parts: AnyChartContent...) -> AnyChartContent {
    parts.count == 1 ? parts[0] : AnyChartContent(marks: parts.flatMap(\.marks))
  }
  public static func buildOptional(_ part: AnyChartContent?) -> AnyChartContent { part ?? AnyChartContent(marks: []) }
  public static func buildEither(first part: AnyChartContent) -> AnyChartContent { part }
  public static func buildEither(second part: AnyChartContent) -> AnyChartContent { part }
  public static func buildArray(_ parts: [AnyChartContent]) -> AnyChartContent {
    AnyChartContent(marks: parts.flatMap(\.marks))
  }
  public static func buildLimitedAvailability(_ part: AnyChartContent) -> AnyChartContent { part }
}

/// The marks of every element, one after another.
public struct ForEach<Data: Sequence>: ChartContent {
  private let content: AnyChartContent

  public init(_ data: Data, @ChartContentBuilder content: (Data.Element) -> AnyChartContent) {
    self.content = ForEach.marks(data, content)
  }

  /// `id` has no meaning here, where nothing moves; it is taken so that code for Swift Charts compiles.
  public init<ID>(
    _ data: Data, id: KeyPath<Data.Element, ID>, @ChartContentBuilder content: (Data.Element) -> AnyChartContent
  ) {
    self.content = ForEach.marks(data, content)
  }

  static func marks(_ data: Data, _ content: (Data.Element) -> AnyChartContent) -> AnyChartContent {
    var all = AnyChartContent(marks: [])
    all.marks.reserveCapacity(data.underestimatedCount)
    for element in data { content(element)._collect(into: &all) }
    return all
  }

  public var body: AnyChartContent { return content }
  public func _collect(into list: inout AnyChartContent) { content._collect(into: &list) }
}

/// Marks that share modifiers.
public struct Group: ChartContent {
  private let content: AnyChartContent
  public init(@ChartContentBuilder content: () -> AnyChartContent) { self.content = content() }
  public var body: AnyChartContent { return content }
  public func _collect(into list: inout AnyChartContent) { content._collect(into: &list) }
}

/// Marks drawn together. Here the same as ``Group``.
public struct Plot: ChartContent {
  private let content: AnyChartContent
  public init(@ChartContentBuilder content: () -> AnyChartContent) { self.content = content() }
  public var body: AnyChartContent { return content }
  public func _collect(into list: inout AnyChartContent) { content._collect(into: &list) }
}

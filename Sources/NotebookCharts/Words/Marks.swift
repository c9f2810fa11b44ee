// The marks of a chart, with the initializers of Swift Charts.

/// Points joined by a line; a gap where a value is `nil` or not a number.
public struct LineMark: MarkContent {
  let mark: Mark
  public init(x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>) {
    mark = Mark(.line, x: x.field, y: y.field)
  }
  /// One line for each value of `series`, all in one colour.
  public init(
    x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>, series: PlottableValue<some Plottable>
  ) {
    var mark = Mark(.line, x: x.field, y: y.field)
    mark.change { $0.series = series.field }
    self.mark = mark
  }
}

/// The area between a line and zero, or between two lines: a band.
public struct AreaMark: MarkContent {
  let mark: Mark
  public init(
    x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>, stacking: MarkStackingMethod = .standard
  ) {
    var mark = Mark(.area, x: x.field, y: y.field)
    mark.change { $0.stacking = stacking }
    self.mark = mark
  }
  public init(
    x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>, series: PlottableValue<some Plottable>,
    stacking: MarkStackingMethod = .standard
  ) {
    var mark = Mark(.area, x: x.field, y: y.field)
    mark.change {
      $0.stacking = stacking
      $0.series = series.field
    }
    self.mark = mark
  }
  public init(
    x: PlottableValue<some Plottable>, yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>
  ) {
    mark = Mark(.area, x: x.field, y: yStart.field, yEnd: yEnd.field)
  }
  public init(
    x: PlottableValue<some Plottable>, yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>,
    series: PlottableValue<some Plottable>
  ) {
    var mark = Mark(.area, x: x.field, y: yStart.field, yEnd: yEnd.field)
    mark.change { $0.series = series.field }
    self.mark = mark
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>
  ) {
    mark = Mark(.area, x: xStart.field, xEnd: xEnd.field, y: y.field)
  }
}

/// One symbol for each value.
public struct PointMark: MarkContent {
  let mark: Mark
  public init(x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>) {
    mark = Mark(.point, x: x.field, y: y.field)
  }
  public init(x: PlottableValue<some Plottable>) { mark = Mark(.point, x: x.field) }
  public init(y: PlottableValue<some Plottable>) { mark = Mark(.point, y: y.field) }
}

/// Bars from zero, stacked where they share a place; side by side with `position(by:)`; or from one value to another.
public struct BarMark: MarkContent {
  let mark: Mark
  private init(
    _ mark: Mark, width: MarkDimension = .automatic, height: MarkDimension = .automatic,
    stacking: MarkStackingMethod? = nil
  ) {
    var mark = mark
    mark.change {
      $0.width = width
      $0.height = height
      $0.stacking = stacking
    }
    self.mark = mark
  }
  public init(
    x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>, width: MarkDimension = .automatic,
    height: MarkDimension = .automatic, stacking: MarkStackingMethod = .standard
  ) {
    self.init(Mark(.bar, x: x.field, y: y.field), width: width, height: height, stacking: stacking)
  }
  /// One bar of parts, side by side along x.
  public init(
    x: PlottableValue<some Plottable>, height: MarkDimension = .automatic, stacking: MarkStackingMethod = .standard
  ) {
    self.init(Mark(.bar, x: x.field), height: height, stacking: stacking)
  }
  public init(
    y: PlottableValue<some Plottable>, width: MarkDimension = .automatic, stacking: MarkStackingMethod = .standard
  ) {
    self.init(Mark(.bar, y: y.field), width: width, stacking: stacking)
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>,
    height: MarkDimension = .automatic
  ) {
    self.init(Mark(.bar, x: xStart.field, xEnd: xEnd.field, y: y.field), height: height)
  }
  public init(
    x: PlottableValue<some Plottable>, yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>,
    width: MarkDimension = .automatic
  ) {
    self.init(Mark(.bar, x: x.field, y: yStart.field, yEnd: yEnd.field), width: width)
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>,
    yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>
  ) {
    self.init(Mark(.bar, x: xStart.field, xEnd: xEnd.field, y: yStart.field, yEnd: yEnd.field))
  }
}

/// Rectangles: cells of a heatmap, or regions.
public struct RectangleMark: MarkContent {
  let mark: Mark
  private init(_ mark: Mark, _ width: MarkDimension, _ height: MarkDimension) {
    var mark = mark
    mark.change {
      $0.width = width
      $0.height = height
    }
    self.mark = mark
  }
  public init(
    x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>, width: MarkDimension = .automatic,
    height: MarkDimension = .automatic
  ) {
    self.init(Mark(.rectangle, x: x.field, y: y.field), width, height)
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>,
    yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>
  ) {
    self.init(
      Mark(.rectangle, x: xStart.field, xEnd: xEnd.field, y: yStart.field, yEnd: yEnd.field), .automatic, .automatic)
  }
  public init(
    x: PlottableValue<some Plottable>, yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>,
    width: MarkDimension = .automatic
  ) {
    self.init(Mark(.rectangle, x: x.field, y: yStart.field, yEnd: yEnd.field), width, .automatic)
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>,
    height: MarkDimension = .automatic
  ) {
    self.init(Mark(.rectangle, x: xStart.field, xEnd: xEnd.field, y: y.field), .automatic, height)
  }
  /// The full height of the plot, from one x to another.
  public init(xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>) {
    self.init(Mark(.rectangle, x: xStart.field, xEnd: xEnd.field), .automatic, .automatic)
  }
  /// The full width of the plot, from one y to another.
  public init(yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>) {
    self.init(Mark(.rectangle, y: yStart.field, yEnd: yEnd.field), .automatic, .automatic)
  }
}

/// A straight line across the plot, or from one value to another.
public struct RuleMark: MarkContent {
  let mark: Mark
  public init(x: PlottableValue<some Plottable>) { mark = Mark(.rule, x: x.field) }
  public init(y: PlottableValue<some Plottable>) { mark = Mark(.rule, y: y.field) }
  public init(
    x: PlottableValue<some Plottable>, yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>
  ) {
    mark = Mark(.rule, x: x.field, y: yStart.field, yEnd: yEnd.field)
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>
  ) {
    mark = Mark(.rule, x: xStart.field, xEnd: xEnd.field, y: y.field)
  }
}

/// An interval with caps. Not in Swift Charts.
public struct ErrorBarMark: MarkContent {
  let mark: Mark
  public init(
    x: PlottableValue<some Plottable>, yStart: PlottableValue<some Plottable>, yEnd: PlottableValue<some Plottable>
  ) {
    mark = Mark(.errorBar, x: x.field, y: yStart.field, yEnd: yEnd.field)
  }
  public init(
    xStart: PlottableValue<some Plottable>, xEnd: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>
  ) {
    mark = Mark(.errorBar, x: xStart.field, xEnd: xEnd.field, y: y.field)
  }
  /// From `y - error` to `y + error`.
  public init(x: PlottableValue<some Plottable>, y: PlottableValue<some Plottable>, error: Double) {
    let middle = y.field.value.place ?? .nan
    mark = Mark(
      .errorBar, x: x.field, y: Field(label: y.field.label, value: .number(middle - error)),
      yEnd: Field(label: y.field.label, value: .number(middle + error)))
  }
}

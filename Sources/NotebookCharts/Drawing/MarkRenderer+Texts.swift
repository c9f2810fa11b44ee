/// The texts that marks ask for beside them.
extension MarkRenderer {
  mutating func want(_ shape: Shape, _ box: Box? = nil) {
    guard plan.marks[shape.mark].hasAnnotations else { return }
    let style = style(shape)
    let place: Box
    if let box {
      place = box
    } else if shape.kind == .rule || shape.kind == .errorBar {
      guard let (from, to) = ruleEnds(shape) else { return }
      place = Box(
        left: min(from.x, to.x), top: min(from.y, to.y), right: max(from.x, to.x), bottom: max(from.y, to.y))
    } else if shape.kind == .area {
      guard let (_, high) = edges(shape) else { return }
      place = Box(left: high.x, top: high.y, right: high.x, bottom: high.y)
    } else {
      guard let point = position(shape) else { return }
      let radius = ((style.symbolSize ?? 50) / 3.14159).squareRoot()
      place = Box(left: point.x - radius, top: point.y - radius, right: point.x + radius, bottom: point.y + radius)
    }
    let isDown = shape.kind == .bar && !shape.isHorizontal && (shape.y1?.place ?? 0) < (shape.y0?.place ?? 0)
    let fill = shape.kind == .bar || shape.kind == .rectangle ? shape.color : nil
    for annotation in style.annotations where !annotation.text.isEmpty {
      wanted.append(
        Wanted(
          annotation: annotation, box: place, fill: fill, isGrowingDown: isDown,
          isHorizontal: shape.kind == .bar && shape.isHorizontal))
    }
  }

  /// Writes the texts that marks ask for, where there is room.
  mutating func annotate(_ canvas: inout Canvas) {
    let limits = Box(left: frame.left - 2, top: frame.top - 14, right: canvas.width - 4, bottom: frame.bottom)
    for item in wanted {
      let text = TextWidth.fitted(item.annotation.text, size: Theme.smallSize, width: frame.width)
      let size = Theme.smallSize
      let width = TextWidth.of(text, size: size)
      let candidates = Self.places(item.annotation.position, item.isGrowingDown, item.isHorizontal)
      var isPlaced = false
      for position in candidates {
        if position == .overlay {
          let small = size - 1
          for size in [size, small] {
            let width = TextWidth.of(text, size: size)
            guard width + 2 <= item.box.width, size <= item.box.height || item.fill == nil else { continue }
            let color =
              item.annotation.color ?? item.fill.map { Theme.isDark($0) ? .white : Color(.rgb(34, 34, 34)) } ?? .primary
            let middle = item.box.middle
            let box = Canvas.box(text, x: middle.x, y: middle.y + 4, size: size, anchor: .middle)
            guard !canvas.texts.contains(where: box.meets) else { continue }
            canvas.text(text, x: middle.x, y: middle.y + 4, size: size, anchor: .middle, color: color)
            isPlaced = true
            break
          }
        } else {
          var (left, baseline) = Self.corner(position, item.box, width, item.annotation.spacing, size)
          left = min(max(left, limits.left + 1), limits.right - width - 1)
          baseline = min(max(baseline, limits.top + size), limits.bottom - 3)
          let box = Canvas.box(text, x: left, y: baseline, size: size, anchor: .start)
          guard limits.contains(box), !canvas.texts.contains(where: box.meets) else { continue }
          canvas.text(text, x: left, y: baseline, size: size, color: item.annotation.color ?? .primary)
          isPlaced = true
        }
        if isPlaced { break }
      }
      if !isPlaced { leftOut += 1 }
    }
  }

  static func places(_ position: AnnotationPosition, _ isDown: Bool, _ isHorizontal: Bool)
    -> [AnnotationPosition]
  {
    switch position {
    case .overlay: [.overlay]
    case .automatic:
      isHorizontal ? [.trailing, .top] : isDown ? [.bottom, .top] : [.top, .bottom, .trailing, .leading]
    case .top: [.top, .topTrailing, .topLeading, .bottom]
    case .bottom: [.bottom, .bottomTrailing, .top]
    case .leading: [.leading, .topLeading, .trailing]
    case .trailing: [.trailing, .topTrailing, .leading]
    default: [position, .top, .bottom]
    }
  }

  /// The left end and the baseline of a text at `position`.
  static func corner(
    _ position: AnnotationPosition, _ box: Box, _ width: Double, _ spacing: Double, _ size: Double
  ) -> (Double, Double) {
    let above = box.top - spacing
    let below = box.bottom + spacing + size * 0.9
    let middle = box.middle.x - width / 2
    return switch position {
    case .bottom: (middle, below)
    case .leading: (box.left - spacing - width, box.middle.y + 4)
    case .trailing: (box.right + spacing, box.middle.y + 4)
    case .topLeading: (box.left, above)
    case .topTrailing: (box.right - width, above)
    case .bottomLeading: (box.left, below)
    case .bottomTrailing: (box.right - width, below)
    default: (middle, above)
    }
  }
}

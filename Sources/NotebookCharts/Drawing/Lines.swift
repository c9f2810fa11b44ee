/// How a line goes through points, as path commands.
package enum Lines {
  static func path(_ points: [Point], _ method: InterpolationMethod, _ canvas: Canvas) -> String {
    guard points.count > 1 else { return "" }
    switch method.kind {
    case .linear: return canvas.straight(points)
    case .stepStart: return canvas.straight(steps(points) { a, b in ([Point(a.x, b.y)], b) })
    case .stepEnd: return canvas.straight(steps(points) { a, b in ([Point(b.x, a.y)], b) })
    case .stepCenter:
      return canvas.straight(
        steps(points) { a, b in
          let middle = (a.x + b.x) / 2
          return ([Point(middle, a.y), Point(middle, b.y)], b)
        })
    case .monotone: return curve(points, tangents: monotone(points))
    case .catmullRom: return curve(points, tangents: cardinal(points, 1))
    case .cardinal: return curve(points, tangents: cardinal(points, max(0, min(1, 2 * (1 - method.amount)))))
    }
  }

  private static func steps(_ points: [Point], _ between: (Point, Point) -> ([Point], Point)) -> [Point] {
    var result = [points[0]]
    for (a, b) in zip(points, points.dropFirst()) {
      let (middle, end) = between(a, b)
      result += middle + [end]
    }
    return result
  }

  /// Cubic pieces from each point to the next; a tangent is what the line does until the next point.
  private static func curve(_ points: [Point], tangents: [Point]) -> String {
    func n(_ value: Double) -> String { Canvas.number((value * 10).rounded() / 10) }
    var result = "M\(n(points[0].x)) \(n(points[0].y))"
    for index in 1..<points.count {
      let (a, b) = (points[index - 1], points[index])
      let (s, t) = (tangents[index - 1], tangents[index])
      let width = b.x - a.x
      let (from, to): (Point, Point) =
        s.x.isNaN
        ? (Point(a.x + width / 3, a.y + s.y * width / 3), Point(b.x - width / 3, b.y - t.y * width / 3))
        : (Point(a.x + s.x / 3, a.y + s.y / 3), Point(b.x - t.x / 3, b.y - t.y / 3))
      result += "C\(n(from.x)) \(n(from.y)) \(n(to.x)) \(n(to.y)) \(n(b.x)) \(n(b.y))"
    }
    return result
  }

  /// Half of the way between the neighbours, times `strength`.
  private static func cardinal(_ points: [Point], _ strength: Double) -> [Point] {
    points.indices.map { index in
      let before = points[max(index - 1, 0)]
      let after = points[min(index + 1, points.count - 1)]
      return Point((after.x - before.x) / 2 * strength, (after.y - before.y) / 2 * strength)
    }
  }

  /// Slopes after Fritsch and Carlson (1980): the curve stays within the values of its neighbours.
  private static func monotone(_ points: [Point]) -> [Point] {
    let slopes = zip(points, points.dropFirst()).map { a, b in b.x == a.x ? 0 : (b.y - a.y) / (b.x - a.x) }
    return points.indices.map { index in
      guard index > 0, index < points.count - 1 else {
        return Point(.nan, slopes[index == 0 ? 0 : slopes.count - 1])
      }
      let (left, right) = (slopes[index - 1], slopes[index])
      guard left * right > 0 else { return Point(.nan, 0) }
      return Point(.nan, 2 / (1 / left + 1 / right))
    }
  }

  /// Of each column of the picture: the first, lowest, highest and last point. The drawn line covers the same places.
  package static func thinned(_ points: [Point], columns: Int) -> [Point] {
    guard points.count > 4 * columns, columns > 0, let first = points.first, let last = points.last else {
      return points
    }
    let isForwards = zip(points, points.dropFirst()).allSatisfy { $0.x <= $1.x }
    guard isForwards, last.x > first.x else { return everyFew(points, 4 * columns) }
    var result: [Point] = []
    var start = 0
    while start < points.count {
      let column = ((points[start].x - first.x) / (last.x - first.x) * Double(columns)).rounded(.down)
      var end = start
      var (low, high) = (start, start)
      while end + 1 < points.count,
        ((points[end + 1].x - first.x) / (last.x - first.x) * Double(columns)).rounded(.down) == column
      {
        end += 1
        if points[end].y < points[low].y { low = end }
        if points[end].y > points[high].y { high = end }
      }
      for index in Set([start, low, high, end]).sorted() { result.append(points[index]) }
      start = end + 1
    }
    return result
  }

  /// A line that goes back and forth: evenly many, always the first and the last.
  static func everyFew<Element>(_ all: [Element], _ limit: Int) -> [Element] {
    guard all.count > limit, limit > 1 else { return all }
    return (0..<limit).map { all[Int((Double($0) * Double(all.count - 1) / Double(limit - 1)).rounded())] }
  }
}

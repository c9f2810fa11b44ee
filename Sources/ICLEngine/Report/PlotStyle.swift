/// How every picture looks: the one place for colours, type and measures.
///
/// Pictures have a light ground of their own, so that they read the same in a light and in a dark notebook and in
/// print. Colours are Okabe and Ito's (2008), which people with any colour blindness can tell apart; dashes and
/// labels at the lines say it a second time.
enum PlotStyle {
  static let ground = "#ffffff"
  static let border = "#d5d5d5"
  static let grid = "#e4e4e4"
  static let axis = "#555555"
  static let text = "#222222"
  static let quietText = "#555555"
  static let font = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
  static let titleSize = 15.0
  static let textSize = 12.0
  /// Average width of a character, in parts of the type size: for keeping labels apart.
  static let characterWidth = 0.56
  static let lineHeight = 16.0
  static let corner = 6.0

  struct Stroke {
    let color: String
    let dash: String?
    let width: Double
    init(_ color: String, dash: String? = nil, width: Double = 2) {
      self.color = color
      self.dash = dash
      self.width = width
    }
  }

  static let blue = "#0072b2"
  static let orange = "#e69f00"
  static let green = "#009e73"
  static let vermilion = "#d55e00"
  static let purple = "#cc79a7"
  static let sky = "#56b4e9"
  static let black = "#000000"
  static let grey = "#777777"

  static func stroke(_ pair: ConditionPair) -> Stroke {
    switch pair {
    case ConditionPair(.icl, .it): Stroke(blue, width: 3)
    case ConditionPair(.anchor, .icl): Stroke(vermilion)
    case ConditionPair(.anchor, .it): Stroke(orange, dash: "7 3")
    case ConditionPair(.anchor, .both): Stroke(purple, dash: "2 3")
    case ConditionPair(.icl, .both): Stroke(green, dash: "7 3")
    default: Stroke(sky, dash: "2 3")
    }
  }

  /// For lines that are like one another, the last one foremost.
  static let series = [
    Stroke(sky, dash: "2 3"), Stroke(purple, dash: "2 3"), Stroke(orange, dash: "7 3"), Stroke(green, dash: "7 3"),
    Stroke(vermilion), Stroke(blue, width: 3),
  ]

  static let noiseFloor = Stroke(grey, dash: "1 3", width: 2)

  static func color(_ condition: Condition) -> String {
    switch condition {
    case .anchor: vermilion
    case .icl: blue
    case .it: orange
    case .both: green
    }
  }
}

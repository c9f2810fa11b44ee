/// A colour of a mark: a named one, which has a form for light and one for dark pages, or red, green and blue.
public struct Color: Hashable, Sendable {
  enum Paint: Hashable, Sendable {
    /// A place in ``Theme/palette``.
    case palette(Int)
    /// The colours of text and of quiet text.
    case text, quiet
    /// 0…255 each.
    case rgb(UInt8, UInt8, UInt8)
    case clear
  }
  var paint: Paint
  var alpha = 1.0

  init(_ paint: Paint, alpha: Double = 1) {
    self.paint = paint
    self.alpha = alpha
  }

  /// - Parameters: shares 0…1; what is outside is moved to the nearer end.
  public init(red: Double, green: Double, blue: Double, opacity: Double = 1) {
    func level(_ share: Double) -> UInt8 { UInt8((min(max(share.isFinite ? share : 0, 0), 1) * 255).rounded()) }
    self.init(.rgb(level(red), level(green), level(blue)), alpha: min(max(opacity.isFinite ? opacity : 1, 0), 1))
  }

  /// A grey: 0 is black, 1 is white.
  public init(white: Double, opacity: Double = 1) {
    self.init(red: white, green: white, blue: white, opacity: opacity)
  }

  /// - Parameters: shares 0…1 of a turn, of full colour, and of full light.
  public init(hue: Double, saturation: Double, brightness: Double, opacity: Double = 1) {
    let turn = hue.isFinite ? hue - hue.rounded(.down) : 0
    func channel(_ offset: Double) -> Double {
      let place = (offset + turn * 6).truncatingRemainder(dividingBy: 6)
      return brightness * (1 - saturation * max(0, min(place, 4 - place, 1)))
    }
    self.init(red: channel(5), green: channel(3), blue: channel(1), opacity: opacity)
  }

  /// `#rgb`, `#rrggbb` or `rrggbb`; `nil` for anything else.
  public init?(hex: String) {
    var digits = hex.hasPrefix("#") ? String(hex.dropFirst()) : hex
    if digits.count == 3 { digits = digits.map { "\($0)\($0)" }.joined() }
    guard digits.utf8.count == 6, digits.allSatisfy(\.isHexDigit), let value = UInt32(digits, radix: 16) else {
      return nil
    }
    self.init(.rgb(UInt8(value >> 16), UInt8(value >> 8 & 255), UInt8(value & 255)))
  }

  public static let blue = Color(.palette(0))
  public static let red = Color(.palette(1))
  public static let green = Color(.palette(2))
  public static let orange = Color(.palette(3))
  public static let purple = Color(.palette(4))
  public static let cyan = Color(.palette(5))
  public static let brown = Color(.palette(6))
  public static let gray = Color(.palette(7))
  public static let teal = Color(.palette(2))
  public static let mint = Color(.palette(2))
  public static let pink = Color(.palette(4))
  public static let indigo = Color(.palette(0))
  public static let yellow = Color(.palette(3))
  public static let accentColor = Color(.palette(0))
  /// As dark as text on a light page, as light as text on a dark one.
  public static let primary = Color(.text)
  public static let secondary = Color(.quiet)
  public static let black = Color(.rgb(0, 0, 0))
  public static let white = Color(.rgb(255, 255, 255))
  public static let clear = Color(.clear)

  /// The same colour, with this share of what it had of opacity.
  public func opacity(_ share: Double) -> Color {
    Color(paint, alpha: alpha * min(max(share.isFinite ? share : 1, 0), 1))
  }

  /// The plain colour: charts here have no shading.
  public var gradient: Color { self }
}

/// Colours from one end of a scale of numbers to the other.
public struct Gradient: Hashable, Sendable {
  public var colors: [Color]
  public init(colors: [Color]) { self.colors = colors }
}

/// How every chart looks: the one place for colours, type and measures.
///
/// A chart has a ground of its own, light on a light page and dark on a dark one. Light colours stand in attributes,
/// and the dark ones in a style sheet: where a front end removes style sheets, a light picture remains. The colours
/// are Okabe and Ito's (2008), which people with any colour blindness can tell apart; shapes, dashes and names at
/// lines say it a second time.
enum Theme {
  struct Pair {
    let name: String
    let light: String
    let dark: String
  }
  static let palette: [Pair] = [
    Pair(name: "0", light: "#0072b2", dark: "#4da3e0"), Pair(name: "1", light: "#d55e00", dark: "#ff8748"),
    Pair(name: "2", light: "#009e73", dark: "#22c79a"), Pair(name: "3", light: "#e69f00", dark: "#f2b93b"),
    Pair(name: "4", light: "#b8578e", dark: "#e598c4"), Pair(name: "5", light: "#56b4e9", dark: "#98d8ff"),
    Pair(name: "6", light: "#7a5230", dark: "#c79a70"), Pair(name: "7", light: "#777777", dark: "#a8a8a8"),
  ]
  static let ground = Pair(name: "g", light: "#ffffff", dark: "#1b1d21")
  static let border = Pair(name: "b", light: "#d5d5d5", dark: "#44474d")
  static let grid = Pair(name: "r", light: "#e4e4e4", dark: "#373a40")
  static let axis = Pair(name: "a", light: "#555555", dark: "#b4b6ba")
  static let text = Pair(name: "t", light: "#222222", dark: "#eceef1")
  static let quiet = Pair(name: "q", light: "#555555", dark: "#b4b6ba")

  static let font = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
  static let titleSize = 15.0
  static let textSize = 13.0
  static let smallSize = 12.0
  static let margin = 14.0
  static let lineWidth = 2.0
  /// As the default of a chart: as wide as a phone can show with text that is still read.
  static let size = (width: 520.0, height: 330.0)
  static let symbols: [BasicChartSymbolShape] = [
    .circle, .square, .triangle, .diamond, .cross, .plus, .pentagon, .asterisk,
  ]
  static let dashes: [[Double]] = [[], [7, 3], [2, 3], [10, 3, 2, 3], [4, 2], [12, 4], [1, 2], [6, 2, 2, 2]]

  /// The rules for dark pages. The same in every chart, so that several in one page agree.
  static let sheet: String = {
    let all = palette + [ground, border, grid, axis, text, quiet]
    let rules = all.map { ".ncf\($0.name){fill:\($0.dark)}.ncs\($0.name){stroke:\($0.dark)}" }
    return "<style>@media(prefers-color-scheme:dark){" + rules.joined() + "}</style>"
  }()

  /// A number's colour on a scale 0…1 without a sign: from pale to dark blue.
  static let sequential = [
    Color(.rgb(237, 243, 248)), Color(.rgb(160, 200, 226)), Color(.rgb(66, 146, 198)), Color(.rgb(0, 84, 140)),
    Color(.rgb(3, 44, 86)),
  ]
  /// Vermilion below zero, blue above, pale at zero.
  static let diverging = [
    Color(.rgb(190, 80, 0)), Color(.rgb(246, 246, 246)), Color(.rgb(0, 94, 150)),
  ]

  /// The colour at `share` 0…1 of the way through `colors`.
  static func blend(_ colors: [Color], _ share: Double) -> Color {
    guard let first = colors.first, let last = colors.last else { return .gray }
    guard share.isFinite, colors.count > 1 else { return first }
    let place = min(max(share, 0), 1) * Double(colors.count - 1)
    let index = min(Int(place), colors.count - 2)
    if place >= Double(colors.count - 1) { return last }
    let (from, to) = (channels(colors[index]), channels(colors[index + 1]))
    let part = place - Double(index)
    func mixed(_ a: Double, _ b: Double) -> UInt8 { UInt8(min(max((a + (b - a) * part).rounded(), 0), 255)) }
    return Color(.rgb(mixed(from.0, to.0), mixed(from.1, to.1), mixed(from.2, to.2)))
  }

  /// Red, green and blue 0…255, of the light form.
  static func channels(_ color: Color) -> (Double, Double, Double) {
    switch color.paint {
    case .rgb(let red, let green, let blue): return (Double(red), Double(green), Double(blue))
    case .palette(let index): return channels(Color(hex: palette[index % palette.count].light) ?? .black)
    case .text: return channels(Color(hex: text.light) ?? .black)
    case .quiet: return channels(Color(hex: quiet.light) ?? .black)
    case .clear: return (255, 255, 255)
    }
  }

  /// Whether white text reads better on it than dark text.
  static func isDark(_ color: Color) -> Bool {
    let (red, green, blue) = channels(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 140
  }
}

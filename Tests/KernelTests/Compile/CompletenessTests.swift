import Kernel
import Testing

@Suite struct CompletenessTests {
  @Test(arguments: [
    "", "1 + 1", "let a = 1\nprint(a)", "func f() { }", "// comment", "let s = \"\"\"\n  text\n  \"\"\"",
    "for i in 0..<3 { print(i) }",
  ])
  func `complete`(_ code: String) { #expect(Completeness.of(code) == .complete) }

  @Test(arguments: [
    ("func f() {", "  "), ("let a = [", "  "), ("print(", "  "), ("if true {\n  for i in 0..<3 {", "    "),
    ("let a =", ""),
    ("let s = \"\"\"\n  text", ""), ("class A {\n  func f() {\n  }", "  "), ("/* open", ""), ("1 +", ""),
  ])
  func `incomplete`(_ code: String, _ indent: String) {
    #expect(Completeness.of(code) == .incomplete(indent: indent))
  }

  @Test(arguments: ["}", "let 1x = 2", "let a = )"])
  func `invalid`(_ code: String) { #expect(Completeness.of(code) == .invalid) }
}

"""`await` at a cell's top level, in every form: what `swiftc` makes of the same text is what the notebook must do.

Each form is run as cells and, below `PREAMBLE`, as one script. The notebook must print the same, say the same first
error where the compiler refuses the text, and warn of the same, but for `EXCEPTIONS`.
"""

import concurrent.futures
import re

import pytest
from swiftc import one_file, plain, without_group

PREAMBLE = """
struct Oops: Error, Equatable { var code = 1 }
enum Shape { case dot, line(Int), box(Int, Int) }
func one() async -> Int { 1 }
func two() async throws -> Int { 2 }
func fails() async throws -> Int { throw Oops() }
func failsTyped(_ code: Int) async throws(Oops) -> Int { throw Oops(code: code) }
func maybe(_ value: Int?) async -> Int? { value }
func pair() async -> (Int, String) { (3, "three") }
func nested() async -> (Int, (String, Double)) { (1, ("b", 2.5)) }
func isTrue() async -> Bool { true }
func shape() async -> Shape { .box(2, 3) }
func list() async -> [Int] { [4, 5, 6] }
func double(_ n: Int) -> Int { n * 2 }
func slow(_ n: Int) async throws -> Int { try await Task.sleep(for: .milliseconds(20)); return n }
func stuck() async throws -> Int { try await Task.sleep(for: .seconds(600)); return 0 }
func add(_ n: inout Int) async { n += 10 }
func later(_ work: () async -> Int) async -> Int { await work() + 1 }
func laterThrowing<E: Error>(_ work: () async throws(E) -> Int) async throws(E) -> Int { try await work() + 1 }
func numbers(_ count: Int) -> AsyncStream<Int> {
  AsyncStream { c in for i in 0..<count { c.yield(i) }; c.finish() }
}
func pairs() -> AsyncStream<(Int, String)> {
  AsyncStream { c in c.yield((1, "a")); c.yield((2, "b")); c.finish() }
}
func options() -> AsyncStream<Int?> {
  AsyncStream { c in c.yield(1); c.yield(nil); c.yield(3); c.finish() }
}
func breaking() -> AsyncThrowingStream<Int, any Error> {
  AsyncThrowingStream { c in c.yield(1); c.yield(2); c.finish(throwing: Oops(code: 9)) }
}
actor Counter {
  var value = 0
  var next: Int { value + 1 }
  subscript(_ n: Int) -> Int { value + n }
  func up() -> Int { value += 1; return value }
  func failing() throws -> Int { throw Oops(code: 5) }
}
enum Main { @MainActor static var on = 7 }
@MainActor func mainValue() -> Int { Main.on }
@MainActor final class Screen { var lines = 2; func show(_ text: String) -> String { "<\\(text)>" } }
struct Chain { var n = 0; func step() async -> Chain { Chain(n: n + 1) }; var deep: Chain { get async { Chain(n: n + 10) } } }
struct Lazy { var value: Int { get async throws { 8 } }; subscript(_ n: Int) -> Int { get async { n * 100 } } }
struct Token: ~Copyable { var id = 4; consuming func spend() async -> Int { id } }
func token() async -> Token { Token() }
func describe(_ token: borrowing Token) async -> Int { token.id }
func greet(_ name: String = "you", _ mark: @autoclosure () -> String = "!") async -> String { "hi \\(name)\\(mark())" }
func all(_ numbers: Int...) async -> Int { numbers.reduce(0, +) }
func generic<T>(_ value: T) async -> T { value }
extension Int { func plus(_ other: Int) async -> Int { self + other }; static func make() async -> Int { 77 } }
protocol Speaker { func speak() async -> String }
struct Dog: Speaker { func speak() async -> String { "woof" } }
func speaker() async -> any Speaker { Dog() }
""".strip()

# Name of the form, and its cells, divided by lines of `---`.
FORMS = {
    # try, await and operators
    "value": "print(await one())",
    "try": "print(try await two())",
    "try? as Any": "print(try? await two() as Any)",
    "try? as Any, failing": "print(try? await fails() as Any)",
    "try? with a default": "print((try? await fails()) ?? 12)",
    "try? in a variable": "let t1 = try? await two()\nprint(t1 as Any)",
    "try? as in a variable": "let t2 = try? await two() as Any\nprint(t2 as Any)",
    "try!": "print(try! await two())",
    "as": "print(await one() as Any)",
    "as?": "print(await generic(5 as Any) as? Int ?? 0)",
    "as!": "print(await generic(5 as Any) as! Int)",
    "is": "print(await generic(5 as Any) is String)",
    "sum": "print(await one() + one())",
    "await in brackets": "print((await one()) + 2 * (await one()))",
    "await to the right": "print(1 + await one())",
    "try await over a sum": "print(try await two() + one())",
    "two awaits of a call": "print(await one(), try await two())",
    "comparison": "print(await one() < 2, await one() == 1)",
    "ternary": "print(await isTrue() ? 1 : 2)",
    "ternary branches": "print(Bool.random() || true ? await one() : await list()[0])",
    "ternary branch in a variable": "let b1 = true ? await one() : 3\nprint(b1)",
    "prefix operator": "print(!(await isTrue()), -(await one()))",
    "range": "print((await one())...(await list()[0]))",
    "closed range loop": "for i in 0...(await one()) { print(i) }",
    "nil coalescing of await": "print(await maybe(nil) ?? 4)",
    "await right of ??": "let n0: Int? = nil\nprint(n0 ?? await one())",
    "await right of && in brackets": "print(true && (await isTrue()))",
    "await over &&": "print(await true && isTrue())",
    "no await": "print(one())",
    "no try": "print(await two())",
    "await before try": "print(await try two())",
    "await of nothing": "print(await double(2))",
    "await of a literal": "let l1 = await 5\nprint(l1)",
    "try of nothing": "print(try await one())",
    # variables
    "let": "let v1 = await one()\nprint(v1)\n---\nprint(v1 + 1)",
    "var": "var v2 = await one()\nv2 += 1\nprint(v2)\n---\nv2 += await one()\nprint(v2)",
    "typed": "let v3: Double = Double(await one())\nprint(v3)",
    "typed literal": "let v4: [Double] = [1, Double(await one())]\nprint(v4)",
    "optional type": "let v5: Int? = await one()\nprint(v5 as Any)",
    "implicitly unwrapped": "let v6: Int! = await one()\nprint(v6 + 1)",
    "any type": "let v7: any Sendable = await one()\nprint(v7)",
    "opaque type": "let v8: some Equatable = await one()\nprint(v8 == v8)",
    "tuple pattern": "let (v9, w9) = await pair()\nprint(v9, w9)\n---\nprint(w9)",
    "tuple pattern with a type": "let (v10, w10): (Int, String) = await pair()\nprint(v10, w10)",
    "wildcard": "_ = await one()\nlet _ = await one()\nlet (v11, _) = await pair()\nprint(v11)",
    "several bindings": "let v12 = await one(), w12 = 2, u12 = try await two()\nprint(v12, w12, u12)",
    "assignment": "var v13 = 0\nv13 = await one()\nprint(v13)",
    "compound assignment": "var v14 = 1\nv14 += try await two()\nprint(v14)",
    "value given later": "let v15: Int\nv15 = await one()\nprint(v15)",
    "var given later": "var v16: [Double]\nv16 = [Double(await one()), 2]\nprint(v16)",
    "value given in an if": "let v17: Int\nif await isTrue() { v17 = await one() } else { v17 = 2 }\nprint(v17)",
    "value given in a switch": "let v18: Int\nswitch await shape() {\ncase .dot: v18 = 0\n"
    "case .line(let n): v18 = n\ncase .box(let a, let b): v18 = a * b + (await one())\n}\nprint(v18)",
    "value given in do": "let v19: Int\ndo { v19 = try await two() } catch { v19 = 0 }\nprint(v19)",
    "tuple given later": "let v20: Int, w20: String\n(v20, w20) = await pair()\nprint(v20, w20)",
    "element": "var v21 = [1, 2]\nv21[await one()] = await list()[0]\nprint(v21)",
    "computed variable": "var v22: Int { get async { await one() } }\nprint(await v22)",
    "observer": "var v23 = await one() { didSet { print(\"set\", v23) } }\nv23 = await list()[1]",
    "if expression": "let v24 = if await isTrue() { await one() } else { 2 }\nprint(v24)",
    "switch expression": "let v25 = switch await shape() { case .dot: 0\ncase .line(let n): n\ncase .box(let a, let b): a + b }\n"
    "print(v25)",
    "closure value": "let v26: (Int) -> Int = await isTrue() ? { $0 + 1 } : { $0 }\nprint(v26(1))",
    "noncopyable": "let v27 = await token()\nprint(v27.id, await describe(v27))\nprint(await token().spend())",
    # async let
    "async let": "async let a1 = one()\nprint(await a1)\n---\nprint(await a1)",
    "async let, tuple": "async let (a2, b2) = pair()\nprint(await a2, await b2)",
    "async let, nested tuple": "async let (a3, (b3, c3)) = nested()\nprint(await a3, await b3 + \"!\", await c3 * 2)",
    "async let, tuple with a wildcard": "async let (a4, _) = pair()\nprint(await a4)",
    "async let, typed": "async let a5: Double = 5\nprint(await a5)",
    "async let, typed tuple": "async let (a6, b6): (Int, String) = pair()\nprint(await \"\\(a6) \\(b6)\")",
    "async let, several": "async let a7 = one(), b7 = try await two(), c7 = 3\nprint(try await a7 + b7 + c7)",
    "async let, wildcard": "async let _ = stuck()\nprint(\"done\")",
    "async let, never awaited": "async let a8 = one()\nprint(\"done\")",
    "async let, never awaited, failing": "async let a9 = fails()\nprint(\"done\")",
    "async let, never awaited, long": "async let a10 = stuck()\nprint(\"done\")",
    "async let, cancelled": "async let a11: Int = { do { return try await stuck() } catch { print(\"cancelled\"); return 1 } }()\n"
    "try await Task.sleep(for: .milliseconds(50))\nprint(\"end\")",
    "async let, awaited on no way": "async let a12 = fails()\nif !(await isTrue()) { print(try await a12) }\nprint(\"end\")",
    "async let, error caught": "async let a13 = fails()\ndo { print(try await a13) } catch { print(\"caught\", error) }",
    "async let, try?": "async let a14 = fails()\nprint(try? await a14 as Any)",
    "async let, read twice": "async let a15 = slow(3)\nprint(try await a15)\nprint(try await a15 + a15)",
    "async let, in an array": "async let a16 = slow(1)\nasync let b16 = slow(2)\nprint(try await [a16, b16])",
    "async let, members": "async let a17 = list()\nprint(await a17.count, await a17[1], await a17.map { $0 + 1 })",
    "async let, without await": "async let a18 = one()\nprint(a18)",
    "async let, without try": "async let a19 = two()\nprint(await a19)",
    "async let in a closure": "async let a20 = one()\nprint(await later { await a20 })",
    "async let in a function": "async let a21 = one()\nfunc f21() async -> Int { await a21 }\nprint(await f21())",
    "async let of another": "async let a22 = one()\nasync let b22 = a22 + 1\nprint(await b22)",
    "async var": "async var a23 = one()\nprint(await a23)",
    "async let, hidden": "async let a24 = one()\ndo { let a24 = 5; print(a24) }\nif let a24 = await maybe(6) { print(a24) }\n"
    "print([7].map { a24 in a24 + 1 })\nfor a24 in [8] { print(a24) }\nprint(await a24)",
    "async let in a block": "do {\n  async let x = one()\n  async let y = slow(2)\n  print(try await x + y)\n}",
    "async let in a block, never awaited": "do {\n  async let x = stuck()\n  print(\"in\")\n}\nprint(\"out\")",
    "async let with await and try": "async let a25 = try await two()\nasync let b25 = await one()\nprint(try await a25, await b25)",
    "async let, interpolated": "async let a26 = one()\nprint(\"value \\(await a26)\")",
    "async let, in a condition": "async let a27 = one()\nif await a27 == 1 { print(\"one\") }\nguard await a27 > 0 else { fatalError() }\n"
    "let c27 = await a27 * 5\nprint(c27)",
    # loops
    "for await": "for await x in numbers(3) { print(x) }",
    "for await, pattern": "for await (n, s) in pairs() { print(n, s) }",
    "for await, wildcard": "for await _ in numbers(2) { print(\"x\") }",
    "for await, case let": "for await case let x? in options() { print(x) }",
    "for await, where": "for await x in numbers(5) where x % 2 == 0 { print(x) }",
    "for await, where await": "for await x in numbers(4) where await isTrue() && x > 1 { print(x) }",
    "for await, var": "for await var x in numbers(2) { x += 1; print(x) }",
    "for await, typed": "for await x: Int in numbers(2) { print(x) }",
    "for try await": "do { for try await x in breaking() { print(x) } } catch { print(\"caught\", error) }",
    "for try await, pattern and where": "do { for try await x in breaking() where x > 1 { print(x) } } catch let e as Oops { print(e.code) }",
    "for try await, case": "do { for try await case 2 in breaking() { print(\"two\") } } catch { print(error) }",
    "for await of await": "for await x in await generic(numbers(2)) { print(x) }",
    "for await over a map": "for await s in numbers(3).map({ n in \"\\(n)!\" }) { print(s) }",
    "labelled loops": "outer: for i in 0..<3 {\n  for await x in numbers(3) {\n    if x == 1 { continue outer }\n"
    "    if i == 2 { break outer }\n    print(i, x)\n  }\n}\nprint(\"end\")",
    "labelled for await": "outer: for await i in numbers(3) {\n  for j in 0..<3 {\n    if j == 1 { continue outer }\n    print(i, j)\n  }\n}",
    "for await without await": "for x in numbers(2) { print(x) }",
    "for over await": "for x in await list() where x > 4 { print(x) }",
    "while": "var w1 = 0\nwhile await one() + w1 < 3 { w1 += 1 }\nprint(w1)",
    "while let": "var w2 = numbers(3).makeAsyncIterator()\nwhile let x = await w2.next() { print(x) }",
    "while case": "var w3 = numbers(2).makeAsyncIterator()\nwhile case let x? = await w3.next(), x < 1 { print(x) }",
    "repeat": "var w4 = 0\nrepeat { w4 += await one() } while await maybe(w4)! < 3\nprint(w4)",
    "break and continue": "var w5 = 0\nwhile true {\n  w5 += await one()\n  if w5 == 2 { continue }\n  if w5 > 3 { break }\n  print(w5)\n}",
    # conditions
    "if": "if await isTrue() { print(\"yes\") } else { print(\"no\") }",
    "if let": "if let x = await maybe(3), x > 2 { print(x) }",
    "if let, try?": "if let x = try? await two() { print(x) }",
    "if let, several": "if let x = await maybe(3), let y = try? await two(), x > y { print(x, y) }",
    "if case": "if case .box(let a, let b) = await shape() { print(a, b) }",
    "if await inside alone": "if true { print(await one()) }",
    "else if": "if !(await isTrue()) { print(1) } else if let x = await maybe(2) { print(x) } else { print(3) }",
    "guard": "guard await isTrue() else { fatalError() }\nprint(\"on\")",
    "guard let": "guard let g1 = await maybe(3) else { fatalError() }\nprint(g1)\n---\nprint(g1 + 1)",
    "guard let, try?": "guard let g2 = try? await two() else { fatalError() }\nprint(g2)",
    "guard let, several": "guard let g3 = await maybe(3), let h3 = await maybe(g3 + 1), g3 < h3 else { fatalError() }\nprint(g3, h3)",
    "guard case": "guard case .box(let g4, _) = await shape() else { fatalError() }\nprint(g4)",
    "guard else": "guard await isTrue() else {\n  print(await one())\n  throw Oops()\n}\nprint(\"on\")",
    "switch": "switch await shape() {\ncase .dot: print(0)\ncase .line(let n) where n > 0: print(n)\ncase .box(let a, let b): print(a, b)\n"
    "default: break\n}",
    "switch of a tuple": "switch (await one(), await isTrue()) {\ncase (1, true): print(\"both\")\ndefault: print(\"no\")\n}",
    "switch case body": "switch 1 {\ncase 1: print(await one())\ndefault: print(try await two())\n}",
    "switch where": "switch 1 {\ncase let n where await maybe(n) != nil: print(n)\ndefault: break\n}",
    # errors
    "do catch": "do { print(try await fails()) } catch { print(\"caught\", error) }",
    "do catch by type": "do { _ = try await fails() } catch let error as Oops { print(error.code) }",
    "do catch, await in catch": "do { _ = try await fails() } catch { print(await one()) }",
    "do catch, typed": "do { _ = try await failsTyped(4) } catch { print(error.code) }",
    "do throws": "do throws(Oops) { _ = try await failsTyped(6) } catch { print(error.code) }",
    "throw await": "do { throw await generic(Oops(code: 8)) } catch let e as Oops { print(e.code) }",
    "catch where": "do { _ = try await failsTyped(2) } catch where error.code == 2 { print(\"two\") } catch { print(\"other\") }",
    "do without catch": "do { print(try await two()) }",
    "defer": "defer { await one() }\nprint(1)",
    "defer beside await": "do {\n  defer { print(\"deferred\") }\n  print(await one())\n}",
    "return": "if await isTrue() { return }\nprint(1)",
    # calls
    "argument": "print(double(await one()), max(await one(), try await two()))",
    "await over arguments": "print(await double(one()))",
    "interpolation": "print(\"a \\(await one()) b \\(try await two()) c\")",
    "await over interpolation": "print(await \"a \\(one())\")",
    "multi-line string": "print(\"\"\"\n  a \\(await one())\n    b\n  \"\"\")",
    "array": "print([await one(), 2, try await two()])",
    "dictionary": "print([\"a\": await one()][\"a\"]!, await [one(): 2].count)",
    "tuple": "print((await one(), try await two()))",
    "subscript": "print([1, 2, 3][await one()], await Lazy()[2])",
    "async property": "print(try await Lazy().value)",
    "chain": "print(await Chain().step().step().deep.n)",
    "chain over lines": "let c1 = await Chain()\n  .step()\n  .step()\nprint(c1.n)",
    "optional chaining": "let c2: Chain? = Chain(n: 4)\nprint(await c2?.step().n as Any)",
    "implicit member": "let c3: Int = await .make()\nprint(c3)",
    "variadic": "print(await all(1, try await two(), 3))",
    "default argument": "print(await greet(), await greet(\"me\"))",
    "default argument that awaits": "func d1(_ n: Int = await one()) {}\nprint(1)",
    "autoclosure": "print(await greet(\"x\", \"?\"))",
    "await in an autoclosure": "print(await greet(\"x\", \"\\(await one())\"))",
    "assert": "assert(await isTrue())\nprint(1)",
    "inout": "var i1 = 1\nawait add(&i1)\nprint(i1)\n---\nawait add(&i1)\nprint(i1)",
    "inout element": "var i2 = [1, 2]\nawait add(&i2[1])\nprint(i2)",
    "trailing closure": "print(await later { await one() })",
    "throwing closure": "print(try await laterThrowing { try await two() })",
    "closure called": "print(await { () async -> Int in await one() }())",
    "nested closure": "let k1 = { () async throws -> Int in try await two() + one() }\nprint(try await k1())",
    "synchronous closure": "let k2 = { await one() }\nprint(await k2())",
    "await in a synchronous closure": "let k3 = [1].map { _ in await one() }\nprint(k3)",
    "local function": "func f1() async -> Int { await one() + 1 }\nprint(await f1())\n---\nprint(await f1())",
    "synchronous function": "func f2() -> Int { await one() }\nprint(f2())",
    "function in a block": "do {\n  func f() async -> Int { await one() }\n  print(await f())\n}",
    "type in a block": "do {\n  struct S { func f() async -> Int { await one() } }\n  print(await S().f())\n}",
    "initializer": "struct S1 { let n: Int; init() async { n = await one() } }\nprint(await S1().n)",
    "operator function": "func +++ (a: Int, b: Int) async -> Int { a + b }\ninfix operator +++\nprint(await 1 +++ 2)",
    "method of a value": "print(await 3.plus(4), await Int.make())",
    "existential": "print(await speaker().speak())",
    "key path": "print(await pair()[keyPath: \\.1])",
    "metatype": "print(type(of: await one()), await one().self)",
    # actors and tasks
    "actor": "let p1 = Counter()\nprint(await p1.up(), await p1.value, await p1.next, await p1[5])\n---\nprint(await p1.up())",
    "actor without await": "let p2 = Counter()\nprint(p2.value)",
    "actor, throwing": "let p3 = Counter()\ndo { _ = try await p3.failing() } catch { print(error) }",
    "actor in a sum": "let p4 = Counter()\nprint(await p4.up() + p4.up())",
    "global actor": "print(await mainValue(), await Main.on)",
    "global actor beside await": "print(mainValue(), await one())",
    "global actor's class": "let s1 = await Screen()\nprint(await s1.show(\"x\"), await s1.lines)",
    "MainActor.run": "print(await MainActor.run { mainValue() + 1 })",
    "task": "let t3 = Task { await one() }\nprint(await t3.value)",
    "detached task": "print(try await Task.detached { try await two() }.value)",
    "result of a task": "let t4 = Task { try await fails() }\nswitch await t4.result {\ncase .success(let n): print(n)\ncase .failure(let e): print(e)\n}",
    "task group": "print(await withTaskGroup(of: Int.self) { group in\n  for i in 0..<4 { group.addTask { i * 2 } }\n"
    "  return await group.reduce(0, +)\n})",
    "throwing task group": "do {\n  try await withThrowingTaskGroup(of: Int.self) { group in\n    group.addTask { try await fails() }\n"
    "    for try await n in group { print(n) }\n  }\n} catch { print(error) }",
    "continuation": "print(await withCheckedContinuation { c in c.resume(returning: 5) })",
    "typed continuation": "let q1: String = await withCheckedContinuation { $0.resume(returning: \"q\") }\nprint(q1)",
    "throwing continuation": "do {\n  let _: Int = try await withCheckedThrowingContinuation { $0.resume(throwing: Oops()) }\n} catch { print(error) }",
    "sleep": "try await Task.sleep(for: .milliseconds(1))\nprint(\"slept\")",
    "yield": "await Task.yield()\nprint(Task.isCancelled)",
    "cancellation handler": "print(await withTaskCancellationHandler { await one() } onCancel: { })",
    "task local": "enum L { @TaskLocal static var n = 1 }\nprint(await L.$n.withValue(5) { await generic(L.n) })",
    # warnings of the user's own
    "unused variable": "if await isTrue() { let unused = 3 }\nprint(1)",
    "never mutated": "do { var never = await one(); print(never) }",
    "unreachable catch": "do { print(await one()) } catch { print(error) }",
    "never executed": "func g1() async -> Int { return 1; print(2) }\nprint(await g1())",
    "coerced to Any": "let o1: Int? = await maybe(2)\nprint(o1)\nprint(await maybe(3))",
    "unused result": "await one()\nprint(1)",
    # errors besides
    "no such name": "print(await missing())\nprint(await one())",
    "wrong type": "let e1: String = await one()\nprint(e1)",
    "wrong label": "print(await double(wrong: one()))",
    "two faults": "let e2: Int = await pair()\nprint(e2)\nlet e3: Int = \"x\"",
    "missing argument": "print(await generic())",
    "set before use": "let e4: Int\nprint(e4, await one())",
    "let set twice": "let e5 = await one()\ne5 = 3",
    "not exhaustive": "switch await shape() {\ncase .dot: print(1)\n}",
    "optional not unwrapped": "let e6: Int = await maybe(3)\nprint(e6)",
}

#: Warnings of a script that a notebook leaves out, and why.
EXCEPTIONS = {
    r"result of call to .* is unused": "a cell calls for effect, and shows its last value",
    r"main actor-isolated (let|var) '.*' cannot be .*this is an error in the Swift 6 language mode":
        "a script's variables belong to the main actor as soon as it awaits anywhere, a notebook's to nobody",
}  # fmt: skip
#: Warnings that only the notebook has, and why.
ADDED = {
    # The name of the earlier cell is a value by now.
    "async let": {"no 'async' operations occur within 'await' expression"},
}


@pytest.fixture(scope="module")
def expected():
    """What `swiftc` makes of each form, worked out beside the cells."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(one_file, [PREAMBLE, *text.split("\n---\n")]) for name, text in FORMS.items()}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def notebook(kernel):
    kernel.run(PREAMBLE)
    return kernel


@pytest.mark.parametrize("name", FORMS)
def test_a_form_does_what_the_compiler_makes_of_it(notebook, expected, name):
    printed, said, error = "", "", None
    for cell in FORMS[name].split("\n---\n"):
        outcome = notebook.execute(cell)
        printed += outcome.stream()
        said += plain(outcome.stream("stderr"))
        if outcome.status != "ok":
            error = outcome
            break
    answer = expected[name].result()
    if not answer.compiles:
        assert error is not None, f"the compiler refuses it: {answer.errors}"
        first = next(line for line in plain(error.explanation).split("\n") if ": error: " in line)
        assert without_group(first.split(": error: ")[1]) == without_group(answer.errors[0])
        return
    assert error is None or error.content["ename"] == "Oops", plain(error.explanation)
    assert printed == answer.stdout
    warnings = {without_group(line) for line in re.findall(r": warning: (.*)", said)}
    wanted = {without_group(line) for line in answer.warnings}
    wanted = {line for line in wanted if not any(re.fullmatch(rule, line) for rule in EXCEPTIONS)}
    assert warnings == wanted | ADDED.get(name, set())

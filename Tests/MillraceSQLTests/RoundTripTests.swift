import MillraceCore
import MillraceSQL
import Testing

@Suite struct RoundTripTests {
    @Test(arguments: Corpus.queries)
    func query(_ text: String) throws {
        let (query, diagnostics) = SQLParser.parseQuery(text)
        #expect(diagnostics.isEmpty)
        let printed = SQLPrinter.print(try #require(query))
        let (again, errors) = SQLParser.parseQuery(printed)
        #expect(errors.isEmpty, "\(printed)")
        #expect(try shape(#require(again)) == shape(#require(query)), "\(printed)")
    }

    @Test(arguments: Corpus.expressions)
    func expression(_ text: String) throws {
        let (expression, diagnostics) = SQLParser.parseExpression(text)
        #expect(diagnostics.isEmpty)
        let printed = SQLPrinter.print(try #require(expression))
        let (again, errors) = SQLParser.parseExpression(printed)
        #expect(errors.isEmpty, "\(printed)")
        #expect(try shape(#require(again)) == shape(#require(expression)), "\(printed)")
    }

    @Test(arguments: Corpus.statements)
    func script(_ text: String) {
        let result = SQLParser.parse(text)
        #expect(result.diagnostics.isEmpty)
        #expect(!result.script.statements.isEmpty)
        let printed = SQLPrinter.print(result.script)
        let again = SQLParser.parse(printed)
        #expect(again.diagnostics.isEmpty, "\(printed)")
        #expect(shape(again.script) == shape(result.script), "\(printed)")
    }

    @Test func mutatedTextsNeverCrash() {
        let corpus = Corpus.queries + Corpus.expressions + Corpus.statements
        let signs = [
            "(", ")", ",", ";", "'", "\"", "`", "/*", "*/", "SELECT", " FROM ", "-", "\u{301}", "NOT", "\0", ".",
        ]
        for seed in 1...600 as ClosedRange<UInt64> {
            var state = seed &* 0x9E37_79B9_7F4A_7C15
            func random(_ bound: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int((state >> 33) % UInt64(bound))
            }
            var text = Array(corpus[random(corpus.count)].unicodeScalars)
            for _ in 0...random(4) {
                let place = random(text.count)
                switch random(3) {
                case 0: text.remove(at: place)
                case 1: text.insert(contentsOf: Array(signs[random(signs.count)].unicodeScalars), at: place)
                default: text.removeSubrange(place..<min(text.count, place + random(12)))
                }
                if text.isEmpty { text = ["a"] }
            }
            let source = String(String.UnicodeScalarView(text))
            for diagnostic in SQLParser.parse(source).diagnostics {
                _ = diagnostic.rendered(file: "f.sql", source: source)
            }
            if let expression = SQLParser.parseExpression(source).0 {
                let printed = SQLPrinter.print(expression)
                #expect(
                    SQLParser.parseExpression(printed).0.map(shape) == shape(expression), "seed \(seed): \(printed)")
            }
            if let query = SQLParser.parseQuery(source).0 {
                let printed = SQLPrinter.print(query)
                #expect(SQLParser.parseQuery(printed).0.map(shape) == shape(query), "seed \(seed): \(printed)")
            }
        }
    }
}

/// The tree as text, places left out.
private func shape(_ value: Any) -> String {
    if value is SourceRange { return "" }
    let mirror = Mirror(reflecting: value)
    if mirror.children.isEmpty { return "\(value)" }
    // The case's name: its payload is the only child.
    return "\(mirror.subjectType)("
        + mirror.children.map { "\($0.label ?? ""):\(shape($0.value))" }.joined(separator: ",") + ")"
}

import MillraceCore
import MillraceSQL
import Testing

@Suite struct ErrorTests {
    static let cases: [(String, String)] = [
        (
            "SELCT 1",
            "f.sql:1:1: error: expected a statement but found \"SELCT\"\n1 | SELCT 1\n  | ^^^^^\nhint: Did you mean \"SELECT\"?"
        ),
        (
            "SELECT 1",
            "f.sql:1:1: error: query has no target\n1 | SELECT 1\n  | ^^^^^^\nhint: A pipeline needs INSERT INTO … SELECT …."
        ),
        (
            "INSERT INTO t SELECT (a FROM b",
            "f.sql:1:25: error: expected \")\" but found \"FROM\"\n1 | INSERT INTO t SELECT (a FROM b\n  |                         ^^^^\nhint: The \"(\" in line 1, column 22 is not closed."
        ),
        (
            "INSERT INTO t SELECT a FORM b",
            "f.sql:1:24: error: expected \"FROM\" but found \"FORM\"\n1 | INSERT INTO t SELECT a FORM b\n  |                        ^^^^\nhint: Did you mean \"FROM\"?"
        ),
        (
            "ALTER VIEW t RENAME TO u",
            "f.sql:1:1: error: ALTER VIEW is not supported\n1 | ALTER VIEW t RENAME TO u\n  | ^^^^^^^^^^\nhint: A file is planned as a whole; change or remove the CREATE statement itself."
        ),
        (
            "INSERT INTO t SELECT 'é', 'abc",
            "f.sql:1:27: error: string has no closing quote\n1 | INSERT INTO t SELECT 'é', 'abc\n  |                           ^^^^\nhint: Close it with ', and write ' inside it as ''."
        ),
    ]

    @Test(arguments: cases)
    func rendered(_ text: String, _ expected: String) {
        let diagnostics = SQLParser.parse(text).diagnostics
        #expect(diagnostics.map { $0.rendered(file: "f.sql", source: text) } == [expected])
    }

    @Test func everyErrorOfAFileIsReported() {
        let result = SQLParser.parse("INSERT INTO t SELECT ,;\nSET 'a' = 'b';\nDROP FUNCTION x; CREATE TABL y (a INT);")
        #expect(result.diagnostics.map(\.range.start.line) == [1, 3, 3])
        #expect(result.script.statements.count == 1)
    }

    /// What follows from a definition that could not be read is no error of its own; a misspelt name stays one.
    @Test func lostDefinitionsAreKnown() {
        let result = SQLParser.parse(
            "CREATE TABLE a.b (x INT;\nCREATE TABEL c (x INT);\nCREATE VIEW IF NOT EXISTS `d` SELECT 1;")
        #expect(result.lostNames.isSuperset(of: ["a.b", "c", "d"]))
        #expect(result.diagnostics.count == 3)
    }

    /// An unclosed quote hides its own line, and a broken statement ends where the next one starts a line.
    @Test func errorsBehindAnUnclosedQuoteAreReported() {
        let result = SQLParser.parse("INSERT INTO t SELECT 'a FROM b;\nINSERT INTO t SELEC 1;\nINSERT INTO t SELECT 2;")
        #expect(result.diagnostics.map(\.range.start.line) == [1, 2])
        #expect(result.script.statements.count == 1)
    }

    @Test(arguments: [
        String(repeating: "(", count: 100_000), String(repeating: "NOT ", count: 100_000) + "a",
        "a" + String(repeating: " + 1", count: 100_000), "a" + String(repeating: "[1]", count: 100_000),
        "CAST(a AS " + String(repeating: "ARRAY<", count: 100_000),
        "a IN (SELECT 1" + String(repeating: " UNION SELECT 1", count: 20_000),
    ])
    func deepTextsAreErrors(_ text: String) {
        #expect(SQLParser.parseExpression(text).1.count == 1)
        #expect(!SQLParser.parse("INSERT INTO t SELECT " + text).diagnostics.isEmpty)
    }

    @Test func aMissingSemicolonKeepsBothStatements() {
        let result = SQLParser.parse("SET 'a' = 'b'\nSET 'c' = 'd';")
        #expect(result.diagnostics.map(\.message) == ["expected \";\" but found \"SET\""])
        #expect(result.script.statements.count == 2)
    }

    @Test func ignoredPartsAreWarnings() {
        let result = SQLParser.parse("CREATE TABLE t (a INT) DISTRIBUTED BY (a) WITH ('k' = 'v');")
        #expect(result.diagnostics.map(\.severity) == [.warning])
        #expect(result.script.statements.count == 1)
    }

    @Test func precedence() {
        for (text, printed) in [
            ("(a * b) + c", "a * b + c"), ("a * (b + c)", "a * (b + c)"), ("NOT (a = b)", "NOT a = b"),
            ("SUBSTRING(s FROM 1)", "SUBSTRING(s, 1)"), ("TRIM(FROM_X)", "TRIM(FROM_X)"),
            ("FLOOR(t TO DAY)", "FLOOR(t TO DAY)"),
        ] {
            #expect(SQLParser.parseExpression(text).0.map { SQLPrinter.print($0) } == printed)
        }
    }
}

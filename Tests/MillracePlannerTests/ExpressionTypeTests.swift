import MillraceCore
import Testing

@testable import MillracePlanner
@testable import MillraceSQL

/// Result types and implicit casts, as Flink was seen to give them.
@Suite struct ExpressionTypeTests {
    private static let table = """
        CREATE TABLE t (b BOOLEAN, ti TINYINT, sm SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, d102 DECIMAL(10, 2), d53 DECIMAL(5, 3),
            d103 DECIMAL(10, 3), d3810 DECIMAL(38, 10), s STRING, nn INT NOT NULL, dt DATE, tm TIME, ts TIMESTAMP(3), ltz TIMESTAMP_LTZ(3),
            r ROW<a INT, b ROW<c STRING>>, arr ARRAY<INT>, m MAP<STRING, DOUBLE>, bin BYTES)
        WITH ('connector' = 'filesystem', 'path' = 'p', 'format' = 'json');

        """

    /// Type of the only column of `SELECT expression FROM t`, or the first error.
    private static func column(_ expression: String, suffix: String = "") -> Result<OutputColumn, Diagnostic> {
        let parsed = SQLParser.parse(table + "CREATE VIEW v AS SELECT \(expression) AS x FROM t\(suffix);")
        if let first = parsed.diagnostics.first { return .failure(first) }
        let binder = ScriptBinder(registry: TestRegistry.registry, variables: [:])
        binder.bind(parsed.script)
        if let first = binder.log.all.first { return .failure(first) }
        guard case .view(let view)? = binder.query.catalog.entries["v"], let node = view.node else {
            return .failure(Diagnostic("no view", fault: .bug))
        }
        return .success(node.columns[0])
    }

    @Test(arguments: [
        ("1", "INT"), ("3000000000", "BIGINT"), ("2.5", "DECIMAL(2, 1)"), ("0.908", "DECIMAL(4, 3)"),
        ("2.5E0", "DOUBLE"),
        ("-7", "INT"), ("'x'", "STRING"), ("TRUE", "BOOLEAN"), ("DATE '2024-01-01'", "DATE"),
        ("TIMESTAMP '2024-01-01 00:00:00.123'", "TIMESTAMP(3)"), ("INTERVAL '5' SECOND", "INTERVAL DAY TO SECOND"),
        ("i + 1", "INT"), ("i + l", "BIGINT"), ("sm + sm", "SMALLINT"), ("ti + ti", "TINYINT"), ("i / 2", "INT"),
        ("i % 3", "INT"),
        ("d102 * d53", "DECIMAL(16, 5)"), ("d102 * i", "DECIMAL(21, 2)"), ("d102 / d53", "DECIMAL(19, 8)"),
        ("d102 / i", "DECIMAL(21, 13)"), ("i / 2.0", "DECIMAL(17, 6)"), ("MOD(d102, d53)", "DECIMAL(5, 3)"),
        ("d3810 * 2", "DECIMAL(38, 6)"), ("d3810 + 1", "DECIMAL(38, 9)"), ("d102 + d53", "DECIMAL(12, 3)"),
        ("d102 + d", "DOUBLE"), ("f + f", "FLOAT"), ("f + i", "FLOAT"), ("-d102", "DECIMAL(10, 2)"),
        ("COALESCE(i, 2.5)", "DECIMAL(11, 1)"), ("CASE WHEN b THEN i ELSE 2.5 END", "DECIMAL(11, 1)"),
        ("CASE i WHEN 1 THEN 'a' WHEN 2 THEN NULL END", "STRING"), ("NULLIF(i, l)", "INT"),
        ("IF(b, 1, l)", "BIGINT"),
        ("ROUND(d103, 1)", "DECIMAL(9, 1)"), ("FLOOR(d103)", "DECIMAL(10, 0)"), ("FLOOR(d)", "DOUBLE"),
        ("ROUND(i, -1)", "INT"),
        ("ABS(l)", "BIGINT"), ("SIGN(d102)", "DECIMAL(10, 2)"), ("SQRT(i)", "DOUBLE"), ("POWER(i, 2)", "DOUBLE"),
        ("UPPER(s)", "STRING"), ("s || 'x'", "STRING"), ("CHAR_LENGTH(s)", "INT"),
        ("SUBSTRING(s FROM 2 FOR 3)", "STRING"),
        ("POSITION('a' IN s)", "INT"), ("TRIM(BOTH 'x' FROM s)", "STRING"), ("FARM_FINGERPRINT(s)", "BIGINT"),
        ("CONCAT_WS(',', s, s)", "STRING"), ("MD5(s)", "STRING"), ("SPLIT_INDEX(s, ',', 0)", "STRING"),
        ("EXTRACT(YEAR FROM ts)", "BIGINT"), ("HOUR(ts)", "BIGINT"), ("FLOOR(ts TO HOUR)", "TIMESTAMP(3)"),
        ("ts + INTERVAL '1' DAY", "TIMESTAMP(3)"), ("dt - INTERVAL '1' MONTH", "DATE"),
        ("ts - ts", "INTERVAL DAY TO SECOND"),
        ("TIMESTAMPDIFF(DAY, ts, ts)", "INT"), ("TIMESTAMPADD(DAY, 1, dt)", "DATE"),
        ("DATE_FORMAT(ts, 'yyyy')", "STRING"),
        ("TO_TIMESTAMP(s)", "TIMESTAMP(3)"), ("TO_TIMESTAMP_LTZ(l, 3)", "TIMESTAMP_LTZ(3)"),
        ("CURRENT_TIMESTAMP", "TIMESTAMP_LTZ(3)"),
        ("UNIX_TIMESTAMP()", "BIGINT"), ("ts > '2024-01-01 00:00:00'", "BOOLEAN"), ("ts BETWEEN ltz AND ts", "BOOLEAN"),
        ("i = 7.0", "BOOLEAN"), ("i IN (1, 2, l)", "BOOLEAN"), ("s LIKE 'a%' ESCAPE '!'", "BOOLEAN"),
        ("NOT b AND i > 1 OR b", "BOOLEAN"),
        ("CAST(i AS BIGINT)", "BIGINT"), ("CAST(s AS DECIMAL(5, 1))", "DECIMAL(5, 1)"), ("TRY_CAST(s AS INT)", "INT"),
        ("CAST(s AS TIMESTAMP)", "TIMESTAMP(6)"), ("CAST(l AS INT64)", "BIGINT"),
        ("CAST(i AS NUMERIC)", "DECIMAL(10, 0)"),
        ("r.a", "INT"), ("r.b.c", "STRING"), ("t.r.b", "ROW<c STRING>"), ("arr[1]", "INT"), ("m['k']", "DOUBLE"),
        ("CARDINALITY(arr)", "INT"), ("ARRAY[1, 2.5]", "ARRAY<DECIMAL(11, 1)>"), ("MAP['a', 1]", "MAP<STRING, INT>"),
        ("ROW(1, 's').EXPR$1", "STRING"), ("GREATEST(i, l, d102)", "DECIMAL(21, 2)"), ("IFNULL(s, 'x')", "STRING"),
    ])
    func resultType(_ expression: String, _ type: String) throws {
        #expect("\(try Self.column(expression).get().type)" == type)
    }

    @Test(arguments: [
        ("COUNT(*)", "BIGINT"), ("COUNT(DISTINCT s)", "BIGINT"), ("SUM(i)", "INT"), ("SUM(sm)", "SMALLINT"),
        ("SUM(f)", "FLOAT"),
        ("SUM(d102)", "DECIMAL(38, 2)"), ("AVG(i)", "INT"), ("AVG(l)", "BIGINT"), ("AVG(d)", "DOUBLE"),
        ("AVG(d102)", "DECIMAL(38, 6)"), ("MAX(ts)", "TIMESTAMP(3)"), ("MIN(s)", "STRING"),
        ("SUM(i) + 1.5", "DECIMAL(12, 1)"),
    ])
    func aggregateType(_ expression: String, _ type: String) throws {
        #expect("\(try Self.column(expression, suffix: " GROUP BY b").get().type)" == type)
    }

    @Test(arguments: [
        ("s = 1", "= cannot compare STRING with INT"), ("s + 1", "+ does not take STRING and INT"),
        ("s || i", "|| takes STRING, not INT"), ("CAST(ts AS BIGINT)", "CAST does not turn TIMESTAMP(3) into BIGINT"),
        ("COALESCE(s, 1)", "COALESCE mixes STRING and INT"), ("NOT i", "NOT takes BOOLEAN, not INT"),
        ("i / 0", "division by zero"), ("LENGHT(s)", "unknown function \"LENGHT\""),
        ("ts > 'x'", "text is compared with TIMESTAMP(3) but is not readable as one"),
        ("UPPER(s, s)", "function UPPER does not take 2 arguments"),
        ("DATE '2024-13-01'", "DATE literal is not readable"),
        ("r.x", "field \"x\" is not in the ROW"), ("s.x", "STRING has no field \"x\""),
        ("arr['a']", "an array index is INT, not STRING"),
        ("SUM(i) OVER (ORDER BY ts)", "OVER is ordered by what is no time attribute"),
        ("CAST(s AS DECIMAL(40, 2))", "the precision of DECIMAL is 1 to 38, not 40"),
        ("i = (SELECT 1 FROM t)", "this sub-query is not supported here"),
        ("TUMBLE_START(ts, INTERVAL '1' SECOND)", "window function TUMBLE_START needs a GROUP BY with its window"),
    ])
    func typeError(_ expression: String, _ message: String) {
        switch Self.column(expression) {
        case .success(let column): Issue.record("\(expression) is \(column.type)")
        case .failure(let diagnostic): #expect(diagnostic.message == message)
        }
    }

    @Test(arguments: [
        ("nn + 1", false), ("nn + i", true), ("nn IS NULL", false), ("COALESCE(i, 0)", false), ("COUNT(*)", false),
        ("nn / 2.0", true),
        ("NULLIF(nn, 1)", true), ("CASE WHEN b THEN nn END", true), ("CASE WHEN b THEN nn ELSE 0 END", false),
    ])
    func nullability(_ expression: String, _ isNullable: Bool) throws {
        let suffix = expression.hasPrefix("COUNT") ? " GROUP BY b" : ""
        #expect(try Self.column(expression, suffix: suffix).get().isNullable == isNullable)
    }

    /// Operands reach the kernels in the types that `BuiltinFunction` says.
    @Test(arguments: [
        ("i + l", "CAST(i AS BIGINT) + l"), ("d102 * 2", "d102 * 2"), ("d102 * i", "d102 * CAST(i AS DECIMAL(10, 0))"),
        ("i = 7.5", "CAST(i AS DECIMAL(10, 0)) = 7.5"), ("d102 = d53", "d102 = d53"),
        ("d > i", "d > CAST(i AS DOUBLE)"),
        ("f = 1", "CAST(f AS DOUBLE) = 1.0"), ("ts = '2024-01-01'", "ts = TIMESTAMP '2024-01-01 00:00:00'"),
        ("SQRT(i)", "SQRT(CAST(i AS DOUBLE))"), ("YEAR(ts)", "EXTRACT('YEAR', ts)"), ("TRIM(s)", "TRIM_BOTH(s, ' ')"),
        ("i BETWEEN 1 AND 2", "(i >= 1) AND (i <= 2)"), ("ti IN (1, 2)", "CAST(ti AS INT) IN (1, 2)"),
        ("CASE i WHEN 1 THEN 2 ELSE 3.5 END", "CASE WHEN i = 1 THEN 2.0 ELSE 3.5 END"),
        ("- INTERVAL '5' SECOND", "INTERVAL -5 s"),
        ("CAST(DATE '2024-01-01' AS TIMESTAMP(3))", "CAST(DATE '2024-01-01' AS TIMESTAMP(3))"),
    ])
    func implicitCasts(_ expression: String, _ text: String) throws {
        let script = SQLParser.parse(Self.table + "CREATE VIEW v AS SELECT \(expression) AS x FROM t;").script
        let binder = ScriptBinder(registry: TestRegistry.registry, variables: [:])
        binder.bind(script)
        guard case .view(let view)? = binder.query.catalog.entries["v"],
            case .project(let expressions)? = view.node?.kind,
            let input = view.node?.inputs[0]
        else {
            Issue.record("no plan: \(binder.log.all)")
            return
        }
        let schema = Schema(input.columns.map { Field($0.name, $0.type) })
        #expect(ExpressionText.text(expressions[0], schema) == text)
    }
}

import MillraceCore
import Testing

@testable import MillracePlanner

@Suite struct PlannerTests {
    static let stream = """
        CREATE TABLE s (k STRING, v INT, pay ROW<a INT, b ROW<c STRING, d INT>>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1.5' SECOND)
        WITH ('connector' = 'kafka', 'topic' = 's', 'properties.bootstrap.servers' = 'b', 'format' = 'json');
        CREATE TABLE dim (k STRING, name STRING) WITH ('connector' = 'jdbc', 'url' = 'u', 'table-name' = 'dim', 'password' = 'geheim');
        CREATE TABLE out (a STRING, b INT) WITH ('connector' = 'print');

        """

    static func plan(_ text: String, variables: [String: String] = [:]) throws -> ExecutionPlan {
        let result = Planner(registry: TestRegistry.registry, variables: variables).plan(stream + text, name: "p")
        guard let plan = result.plan else { throw Diagnostics(result.diagnostics) }
        return plan
    }

    @Test func inputsStandBeforeTheirReaders() throws {
        let plan = try Self.plan(
            """
            CREATE VIEW w AS SELECT s.k, name, v, ts FROM s JOIN dim ON s.k = dim.k;
            INSERT INTO out SELECT name, SUM(v) FROM w GROUP BY name, TUMBLE(ts, INTERVAL '1' SECOND);
            INSERT INTO out SELECT k, v FROM w WHERE v > 1;
            """)
        for (index, node) in plan.nodes.enumerated() {
            #expect(node.inputs.allSatisfy { $0 < index })
        }
        #expect(plan.sources.count == 2)
        #expect(plan.sources.map(\.isStatic) == [false, true])
        #expect(plan.sources[1].connector == "postgres")
        #expect(plan.sinks.count == 2)
    }

    @Test func watermarkCarriesItsBound() throws {
        let plan = try Self.plan("INSERT INTO out SELECT k, MAX(v) FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND);")
        let watermark = plan.nodes.compactMap { if case .watermark(let plan) = $0.kind { plan } else { nil } }
        #expect(watermark.count == 1)
        #expect(watermark[0].boundMicroseconds == 1_500_000)
        #expect(watermark[0].idleTimeoutMicroseconds == 1_000_000)
        #expect(watermark[0].advancesWhenIdle)
    }

    @Test func onlyNeededLeavesAreRead() throws {
        let plan = try Self.plan("INSERT INTO out SELECT pay.b.c, pay.a FROM s WHERE pay.b.d > 1;")
        let paths = plan.sources[0].fields.map { field -> [String] in
            if case .physical(let path) = field.origin { path } else { [] }
        }
        // The event time is read too: the source's watermark goes by every row.
        #expect(paths == [["pay", "a"], ["pay", "b", "c"], ["pay", "b", "d"], ["ts"]])
        #expect(plan.sources[0].physicalSchema.count == 4)
    }

    @Test func aWholeRowCoversItsLeaves() throws {
        let plan = try Self.plan(
            """
            CREATE TABLE whole (p ROW<c STRING, d INT>, d INT) WITH ('connector' = 'print');
            INSERT INTO whole SELECT pay.b, pay.b.d FROM s;
            """)
        #expect(plan.sources[0].fields.map(\.name) == ["pay.b", "ts"])
    }

    @Test func lookupKeysPointIntoTheFields() throws {
        let plan = try Self.plan(
            "INSERT INTO out SELECT d.name, v FROM s LEFT JOIN dim FOR SYSTEM_TIME AS OF s.ts AS d ON s.k = d.k;")
        #expect(plan.sources.count == 2)
        let lookup = plan.sources.first { $0.name == "dim" }
        #expect(lookup?.lookupKeys == [0])
        #expect(lookup?.fields.map(\.name) == ["k", "name"])
        let join = plan.nodes.compactMap { node -> JoinPlan? in
            if case .lookupJoin(let join, let index) = node.kind, plan.sources[index].name == "dim" {
                join
            } else {
                nil
            }
        }
        #expect(join.first?.kind == .left)
        #expect(join.first?.buildKeys == [0])
    }

    /// Every expression reads only columns that its input has, in their types; every node's schema fits what it computes.
    @Test(arguments: [
        "INSERT INTO out SELECT k, v FROM s;",
        "INSERT INTO out SELECT name, pay.a + 1 FROM s JOIN (SELECT k AS kk, name FROM dim WHERE name <> 'x') AS d ON UPPER(s.k) = d.kk AND s.v > 2;",
        "INSERT INTO out SELECT name, MAX(pay.b.d) FROM s JOIN dim USING (k) GROUP BY name, TUMBLE(ts, INTERVAL '5' SECOND);",
        "INSERT INTO out SELECT k, MAX(v) FROM (SELECT k, v, window_start, window_end FROM HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '3' SECOND) WHERE v > 1) GROUP BY k, window_start, window_end;",
        "INSERT INTO out SELECT dim.name, v FROM dim RIGHT JOIN s ON s.k = dim.k;",
        "INSERT INTO out SELECT a.name, 1 FROM dim AS a, dim AS b WHERE a.k = b.name;",
        "INSERT INTO out SELECT k, v FROM s UNION ALL SELECT name, 1 FROM dim;",
    ])
    func planIsConsistent(_ text: String) throws {
        Self.expectConsistent(try Self.plan(text))
    }

    static func expectConsistent(_ plan: ExecutionPlan) {
        func check(_ expression: Expression, _ schema: Schema) {
            if case .column(let index, let type) = expression {
                #expect(index < schema.count)
                if index < schema.count { #expect(schema[index].type == type, "\(schema[index].name)") }
            }
            for operand in expression.operands { check(operand, schema) }
        }
        for node in plan.nodes {
            let inputs = node.inputs.map { plan.nodes[$0].schema }
            switch node.kind {
            case .project(let expressions):
                #expect(expressions.map(\.type) == node.schema.fields.map(\.type))
                for expression in expressions { check(expression, inputs[0]) }
            case .filter(let predicate):
                #expect(node.schema == inputs[0])
                check(predicate, inputs[0])
            case .staticJoin(let join):
                #expect(node.schema.count == inputs[0].count + inputs[1].count)
                for (probe, build) in zip(join.probeKeys, join.buildKeys) {
                    #expect(inputs[0][probe].type == inputs[1][build].type)
                }
                if let residual = join.residual { check(residual, node.schema) }
            case .source(let index): #expect(plan.sources[index].schema == node.schema)
            case .sink(let index):
                // Text lengths and fraction digits are not enforced, as in Flink.
                let pairs = zip(inputs[0].fields, plan.sinks[index].schema.fields)
                #expect(inputs[0].count == plan.sinks[index].schema.count)
                for (given, wanted) in pairs { #expect(Coercion.isSame(given.type, wanted.type), "\(wanted.name)") }
            case .watermark(let watermark): check(watermark.expression, inputs[0])
            case .windowAggregate(let aggregate):
                #expect(node.schema.count == aggregate.keys.count + aggregate.aggregates.count + 3)
                #expect(inputs[0][aggregate.timeColumn].type.isTimestamp)
            case .union: for input in inputs { #expect(input.fields.map(\.type) == node.schema.fields.map(\.type)) }
            default: break
            }
        }
    }

    @Test func secretsAreMasked() throws {
        let plan = try Self.plan("INSERT INTO out SELECT dim.name, v FROM s JOIN dim ON s.k = dim.k;")
        #expect(!Explain.text(plan).contains("geheim"))
        #expect(Explain.text(plan).contains("password = ****"))
        #expect(!Explain.planText(plan).contains("geheim"))
        #expect(plan.sources[1].options["password"] == "geheim")
    }

    @Test func fingerprintFollowsTheQuery() throws {
        let first = try Self.plan(
            "INSERT INTO out SELECT k, MAX(v) FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND);")
        let same = try Self.plan(
            "INSERT INTO out  SELECT x.k, MAX(x.v) FROM s AS x GROUP BY x.k, TUMBLE(ts, INTERVAL '1' SECOND);")
        let other = try Self.plan(
            "INSERT INTO out SELECT k, MIN(v) FROM s GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND);")
        #expect(Explain.fingerprint(first).count == 16)
        #expect(Explain.fingerprint(first) == Explain.fingerprint(same))
        #expect(Explain.fingerprint(first) != Explain.fingerprint(other))
        #expect(Explain.planText(first) != Explain.planText(other))
    }

    @Test func variablesAreFilledIn() throws {
        let text = """
            CREATE TABLE v (a STRING, b INT) WITH ('connector' = 'print', 'print-identifier' = '${name}-${kind:-x}');
            SET 'pipeline.name' = '${name}';
            INSERT INTO v SELECT k, v FROM s;
            """
        let plan = try Self.plan(text, variables: ["name": "n"])
        #expect(plan.sinks[0].options == ["print-identifier": "n-x"])
        #expect(plan.name == "n")
        #expect(throws: Diagnostics.self) { try Self.plan(text) }
    }

    @Test func aFileWithoutInsertIsAnError() {
        let result = Planner(registry: TestRegistry.registry, variables: [:]).plan(Self.stream, name: "p")
        #expect(result.plan == nil)
        #expect(result.diagnostics.map(\.message) == ["the file has no INSERT statement"])
    }

    /// Planning cut-off text never traps and always says something.
    @Test func everyPrefixIsAnswered() {
        let text =
            Self.stream
            + "INSERT INTO out SELECT k, MAX(pay.b.d) FROM (SELECT * FROM s) GROUP BY k, TUMBLE(ts, INTERVAL '1' SECOND);"
        for length in stride(from: 0, to: text.count - 1, by: 7) {
            let result = Planner(registry: TestRegistry.registry, variables: [:]).plan(
                String(text.prefix(length)), name: "p")
            #expect(result.plan == nil && !result.diagnostics.isEmpty, "prefix of \(length)")
        }
    }
}

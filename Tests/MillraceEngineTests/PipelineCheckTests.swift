import MillraceCore
import MillraceEngine
import Testing

struct PipelineCheckTests {
    private func plan(source: String, sink: String, settings: String = "") throws -> ExecutionPlan {
        let file = PipelineFile(
            path: "case.sql",
            text: """
                \(settings)
                CREATE TABLE t (ts TIMESTAMP(3), n INT, WATERMARK FOR ts AS ts) WITH (\(source), 'format' = 'json');
                CREATE TABLE out (w TIMESTAMP(3), n BIGINT) WITH (\(sink));
                CREATE VIEW five AS SELECT window_time AS wt, COUNT(*) AS n
                FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)
                GROUP BY window_start, window_end, window_time;
                INSERT INTO out SELECT window_start, SUM(n)
                FROM TUMBLE(TABLE five, DESCRIPTOR(wt), INTERVAL '1' MINUTE) GROUP BY window_start, window_end;
                """, variables: [:])
        return try #require(file.plan, "\(file.rendered(file.diagnostics))")
    }

    @Test(arguments: [
        ("SELECT k, COUNT(*) FROM t GROUP BY k", true), ("SELECT k, n FROM t", false),
        // Rows of a key that is the sink's are told apart there: no state.
        ("SELECT DISTINCT k, n FROM t", false), ("SELECT DISTINCT k, n FROM t WHERE n > 1", false),
        ("SELECT k, n FROM (SELECT DISTINCT k, n FROM t) WHERE n > 1", true),
        (
            "SELECT k, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, n ORDER BY n DESC) AS r FROM t) WHERE r = 1",
            true
        ),
    ]) func unboundedStateIsStored(_ query: String, _ needsState: Bool) throws {
        func promises(source: String, sink: String, snapshots: String = "on") throws -> [Diagnostic] {
            let file = PipelineFile(
                path: "case.sql",
                text: """
                    SET 'state.snapshots' = '\(snapshots)';
                    CREATE TABLE t (k STRING, n BIGINT) WITH (\(source), 'format' = 'json');
                    CREATE TABLE out (k STRING, n BIGINT, PRIMARY KEY (k\(query.contains("COUNT") ? "" : ", n")) NOT ENFORCED)
                    WITH (\(sink));
                    INSERT INTO out \(query);
                    """, variables: [:])
            return PipelineCheck.promises(try #require(file.plan, "\(file.rendered(file.diagnostics))"))
        }
        #expect(try promises(source: kafka, sink: postgres).isEmpty)
        #expect(try promises(source: kafka, sink: postgres, snapshots: "off").isEmpty == !needsState)
        #expect(try promises(source: files, sink: postgres).isEmpty)
        #expect(try promises(source: kafka, sink: print).isEmpty)
    }

    /// What Kafka transactions need is known before anything connects.
    @Test(
        arguments: [
            ("", "", nil), ("'scan.startup.mode' = 'timestamp'", "", "scan.startup.timestamp-millis"),
            ("'properties.fetch.mim.bytes' = '1'", "", "unknown Kafka property"),
            ("", "'properties.linger.sm' = '1'", "unknown Kafka property"),
            ("", "'topic' = 'a;b'", "needs one topic"),
            ("", "'properties.bootstrap.servers' = 'y'", "is not in its Kafka cluster"),
        ] as [(String, String, String?)])
    func kafkaOptions(_ source: String, _ sink: String, _ message: String?) throws {
        /// The later of two values of one option counts here.
        func options(_ base: [String], _ more: String) -> String {
            let name = more.split(separator: " ").first.map(String.init)
            let kept = base.filter { name == nil || !$0.hasPrefix(name!) }
            return (kept + (more.isEmpty ? [] : [more])).joined(separator: ", ")
        }
        let base = [
            "'connector' = 'kafka'", "'topic' = 't'", "'properties.bootstrap.servers' = 'x'", "'format' = 'json'",
        ]
        let once = base + ["'sink.delivery-guarantee' = 'exactly-once'"]
        func found(withDatabase: Bool) throws -> [Diagnostic] {
            let file = PipelineFile(
                path: "case.sql",
                text: """
                    CREATE TABLE t (n BIGINT) WITH (\(options(base, source)));
                    CREATE TABLE out (n BIGINT) WITH (\(options(once, sink)));
                    CREATE TABLE kept (n BIGINT) WITH (\(postgres));
                    INSERT INTO out SELECT n FROM t;
                    \(withDatabase ? "INSERT INTO kept SELECT n FROM t;" : "")
                    """, variables: [:])
            return PipelineCheck.options(try #require(file.plan, "\(file.rendered(file.diagnostics))"))
        }
        let alone = try found(withDatabase: false)
        #expect(alone.count == (message == nil ? 0 : 1), "\(alone)")
        if let message { #expect(alone.first?.message.contains(message) == true, "\(alone)") }
        // Beside a database the sink may be in another cluster.
        let beside = try found(withDatabase: true)
        #expect(beside.count == (message == nil || message!.contains("cluster") ? 0 : 1), "\(beside)")
    }

    /// State that Kafka cannot keep is refused as where a database is to keep it.
    @Test func promisesOfKafkaTransactions() throws {
        let once = "\(kafka), 'format' = 'json', 'sink.delivery-guarantee' = 'exactly-once'"
        #expect(PipelineCheck.promises(try plan(source: kafka, sink: once)).count == 1)
        #expect(PipelineCheck.promises(try plan(source: kafka, sink: "\(kafka), 'format' = 'json'")).isEmpty)
    }

    /// Its state is stored, and that of what is behind it; without snapshots it is rebuilt by reading rows again where it can be.
    @Test(
        arguments: [
            ("", "COUNT(*) OVER w", "", nil),
            ("", "LAG(n) OVER (PARTITION BY k ORDER BY ts)", "", "not bounded by time"),
            ("7 d", "LAG(n) OVER (PARTITION BY k ORDER BY ts)", "", nil),
            ("7 d", "ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts)", "", nil),
            ("", "COUNT(*) OVER w", "TUMBLE", nil), ("7 d", "LAG(n) OVER (PARTITION BY k ORDER BY ts)", "HOP", nil),
            ("", "COUNT(*) OVER w", "SESSION", "OVER cannot be restarted exactly"),
        ] as [(String, String, String, String?)])
    func overOnArrival(_ ttl: String, _ call: String, _ window: String, _ refusal: String?) throws {
        let size = ["TUMBLE": "", "HOP": "INTERVAL '1' SECOND, ", "SESSION": ""]
        let query =
            window.isEmpty
            ? "SELECT ts, x FROM rows_"
            : """
            SELECT window_start, SUM(x) FROM \(window)(TABLE rows_, DESCRIPTOR(ts), \(size[window]!)INTERVAL '5' SECOND)
            GROUP BY window_start, window_end
            """
        func promises(emit: String, sink: String, snapshots: String = "on") throws -> [Diagnostic] {
            let file = PipelineFile(
                path: "case.sql",
                text: """
                    SET 'state.snapshots' = '\(snapshots)';
                    SET 'over.emit' = '\(emit)';
                    SET 'table.exec.state.ttl' = '\(ttl.isEmpty ? "0" : ttl)';
                    CREATE TABLE t (k STRING, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (\(kafka), 'format' = 'json');
                    CREATE TABLE out (ts TIMESTAMP(3), x BIGINT) WITH (\(sink));
                    CREATE VIEW rows_ AS SELECT ts, CAST(\(call) AS BIGINT) AS x FROM t
                    WINDOW w AS (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW);
                    INSERT INTO out \(query);
                    """, variables: [:])
            return PipelineCheck.promises(try #require(file.plan, "\(file.rendered(file.diagnostics))"))
        }
        #expect(try promises(emit: "on-arrival", sink: postgres).isEmpty)
        let found = try promises(emit: "on-arrival", sink: postgres, snapshots: "off")
        #expect(found.isEmpty == (refusal == nil))
        if let refusal { #expect(found.contains { $0.message.contains(refusal) }, "\(found)") }
        #expect(try promises(emit: "on-arrival", sink: print).isEmpty)
        if !ttl.isEmpty { #expect(try !promises(emit: "watermark", sink: postgres).isEmpty) }
    }

    private let kafka = "'connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'x'"
    private let files = "'connector' = 'filesystem', 'path' = 't.json'"
    private let postgres = "'connector' = 'postgres', 'url' = 'postgresql://x/y', 'table-name' = 't'"
    private let print = "'connector' = 'print'"

    @Test func windowsOverWindowsNeedTheirStateStored() throws {
        #expect(PipelineCheck.promises(try plan(source: kafka, sink: postgres)).isEmpty)
        let off = try plan(source: kafka, sink: postgres, settings: "SET 'state.snapshots' = 'off';")
        #expect(
            PipelineCheck.promises(off).map(\.message) == [
                "a window cannot be restarted exactly yet: it is made of the results of a window or join, and its state is not stored in the database"
            ])
        #expect(PipelineCheck.promises(try plan(source: files, sink: postgres)).isEmpty)
        #expect(PipelineCheck.promises(try plan(source: kafka, sink: print)).isEmpty)
    }

    private func joinPlan(
        _ query: String, sources: [String], sink: String, snapshots: String
    ) throws -> ExecutionPlan {
        let tables = zip(["a", "b"], sources).map { name, source in
            "CREATE TABLE \(name) (ts TIMESTAMP(3), k INT, WATERMARK FOR ts AS ts) WITH (\(source), 'format' = 'json');"
        }
        let file = PipelineFile(
            path: "case.sql",
            text: "SET 'state.snapshots' = '\(snapshots)';\n" + tables.joined(separator: "\n")
                + "\nCREATE TABLE out (k INT) WITH (\(sink));\nINSERT INTO out \(query);",
            variables: [:])
        return try #require(file.plan, "\(file.rendered(file.diagnostics))")
    }

    private func refusals(
        _ query: String, _ source: String, sink: String, snapshots: String = "on"
    ) throws -> [String] {
        PipelineCheck.promises(try joinPlan(query, sources: [source, source], sink: sink, snapshots: snapshots))
            .map(\.message)
    }

    @Test func joinsThatKeepBothStreamsNeedTheirStateStored() throws {
        let regular = "SELECT a.k FROM a JOIN b ON a.k = b.k"
        #expect(
            try refusals(regular, kafka, sink: postgres, snapshots: "off")
                == [
                    "a join that keeps both streams for ever cannot be restarted exactly yet: its state is not stored in the database"
                ])
        #expect(try refusals(regular, kafka, sink: postgres).isEmpty)
        #expect(try refusals(regular, files, sink: postgres).isEmpty)
        #expect(try refusals(regular, kafka, sink: print).isEmpty)
        // Rows are kept for a time, and read again.
        let interval = "SELECT a.k, a.ts FROM a JOIN b ON a.k = b.k AND a.ts BETWEEN b.ts AND b.ts + INTERVAL '1' HOUR"
        #expect(try refusals("SELECT k FROM (\(interval))", kafka, sink: postgres).isEmpty)
        // The pairs are not made again for the window behind them: its state is stored.
        #expect(
            try refusals(
                "SELECT k FROM (\(interval)) GROUP BY k, TUMBLE(ts, INTERVAL '1' MINUTE)", kafka, sink: postgres
            ).isEmpty)
    }

    @Test func windowsOfOneSourceCloseTogether() throws {
        func counts(_ table: String) -> String {
            "(SELECT k, window_start, window_end FROM TUMBLE(TABLE \(table), DESCRIPTOR(ts), INTERVAL '5' SECOND) GROUP BY k, window_start, window_end)"
        }
        func join(_ right: String) -> String {
            "SELECT L.k FROM \(counts("a")) L JOIN \(counts(right)) R ON L.k = R.k AND L.window_start = R.window_start AND L.window_end = R.window_end"
        }
        #expect(try refusals(join("a"), kafka, sink: postgres).isEmpty)
        // Two sources: one result may wait for the other, and is not made again.
        #expect(try refusals(join("b"), kafka, sink: postgres).isEmpty)
        #expect(
            try refusals(join("b"), kafka, sink: postgres, snapshots: "off")
                == [
                    "a join cannot be restarted exactly yet: it is made of the results of a window or join, and its state is not stored in the database"
                ])
    }
}

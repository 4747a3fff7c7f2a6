import MillraceCore
import MillraceEngine
import Testing

struct PipelineCheckTests {
    private func plan(source: String, sink: String) throws -> ExecutionPlan {
        let file = PipelineFile(
            path: "case.sql",
            text: """
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
    ]) func unboundedStateIsRefusedWhereARestartWouldLoseIt(_ query: String, _ isRefused: Bool) throws {
        func promises(source: String, sink: String) throws -> [Diagnostic] {
            let file = PipelineFile(
                path: "case.sql",
                text: """
                    CREATE TABLE t (k STRING, n BIGINT) WITH (\(source), 'format' = 'json');
                    CREATE TABLE out (k STRING, n BIGINT, PRIMARY KEY (k\(query.contains("DISTINCT") ? ", n" : "")) NOT ENFORCED)
                    WITH (\(sink));
                    INSERT INTO out \(query);
                    """, variables: [:])
            return PipelineCheck.promises(try #require(file.plan, "\(file.rendered(file.diagnostics))"))
        }
        #expect(try promises(source: kafka, sink: postgres).isEmpty == !isRefused)
        #expect(try promises(source: files, sink: postgres).isEmpty)
        #expect(try promises(source: kafka, sink: print).isEmpty)
    }

    private let kafka = "'connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'x'"
    private let files = "'connector' = 'filesystem', 'path' = 't.json'"
    private let postgres = "'connector' = 'postgres', 'url' = 'postgresql://x/y', 'table-name' = 't'"
    private let print = "'connector' = 'print'"

    @Test func windowsOverWindowsAreRefusedWhereARestartWouldLoseThem() throws {
        #expect(PipelineCheck.promises(try plan(source: kafka, sink: postgres)).count == 1)
        #expect(PipelineCheck.promises(try plan(source: files, sink: postgres)).isEmpty)
        #expect(PipelineCheck.promises(try plan(source: kafka, sink: print)).isEmpty)
    }
}

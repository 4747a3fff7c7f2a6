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

import CAllocationCount
import MillraceCore
import MillraceRuntime

/// Benchmarks of the hot path: what one row costs in each step, and what the steps cost together.
///
///     swift run -c release --package-path Benchmarks micro [directory with natality_xgb.ubj]
@main
enum Benchmarks {
    static let batches = [1, 8, 64, 1024]

    static func main() throws {
        let models = CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "pipelines/models"
        try decode()
        try expressions()
        try window()
        try trees(models)
        try encode()
        try whole(models)
    }

    private static let ddl = """
        CREATE TABLE payments (
          event_id BIGINT, ts BIGINT, account STRING, amount DOUBLE, country STRING,
          at AS TO_TIMESTAMP_LTZ(ts / 1000, 3), WATERMARK FOR at AS at - INTERVAL '1' SECOND
        ) WITH ('connector' = 'filesystem', 'path' = 'unused', 'format' = 'json');
        """
    private static func sink(_ columns: String) -> String {
        "CREATE TABLE result (\(columns)) WITH ('connector' = 'blackhole');"
    }

    private static func decode() throws {
        let small = try Chain(
            ddl + sink("a BIGINT, b BIGINT, c STRING, d DOUBLE, e STRING")
                + "INSERT INTO result SELECT event_id, ts, account, amount, country FROM payments;")
        let declared = (0..<60).map { "field_\($0) STRING" }.joined(separator: ", ")
        let used = (0..<8).map { "field_\($0 * 8)" }.joined(separator: ", ")
        let wide = try Chain(
            "CREATE TABLE wide (\(declared)) WITH ('connector' = 'filesystem', 'path' = 'unused', 'format' = 'json');"
                + sink((0..<8).map { "c\($0) STRING" }.joined(separator: ", "))
                + "INSERT INTO result SELECT \(used) FROM wide;")
        for size in batches {
            let messages = (0..<size).map(Messages.payment)
            Measurement.run("JSON, 200 B, 5 fields, batch \(size)", rows: size) {
                small.decode(messages) == size
                    && small.source.rows.columns[0].ints[size - 1] == Int64(100_000 + size - 1)
            }
        }
        for size in batches {
            let messages = (0..<size).map(Messages.wide)
            Measurement.run("JSON, 2 kB, 8 of 60 fields, batch \(size)", rows: size) {
                wide.decode(messages) == size
                    && wide.source.rows.columns[7].refs[size - 1].text == "value 56 of record \(size - 1)"
            }
        }
    }

    private static func expressions() throws {
        let chain = try Chain(
            ddl + sink("a DOUBLE, b INT, c BOOLEAN")
                + "INSERT INTO result SELECT amount * 1.19 + 2, CASE country WHEN 'US' THEN 1 WHEN 'GB' THEN 2 ELSE 0 END,"
                + " amount > 100 AND event_id % 2 = 0 FROM payments;")
        for size in batches {
            let messages = (0..<size).map(Messages.payment)
            guard chain.decode(messages) == size else { Measurement.fail("decode") }
            try Measurement.run("three expressions, batch \(size)", rows: size) {
                try chain.process()
                return chain.last.batch?.columns[1].ints[0] == 1
            }
        }
    }

    private static func window() throws {
        let chain = try Chain(
            ddl + sink("s TIMESTAMP_LTZ(3), c STRING, n BIGINT, a DOUBLE")
                + "INSERT INTO result SELECT TUMBLE_START(at, INTERVAL '5' SECOND), country, COUNT(*), SUM(amount)"
                + " FROM payments GROUP BY country, TUMBLE(at, INTERVAL '5' SECOND);")
        for size in [1, 8, 1024] {
            let messages = (0..<size).map(Messages.payment)
            guard chain.decode(messages) == size else { Measurement.fail("decode") }
            try Measurement.run("watermark and 5 s window, batch \(size)", rows: size) {
                try chain.process()
                return chain.last.rows == 0
            }
        }
    }

    private static let natality = """
        CREATE TABLE births (
          id BIGINT, is_male INT, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use INT,
          weight_gain_pounds INT, ever_born INT, mother_married INT
        ) WITH ('connector' = 'filesystem', 'path' = 'unused', 'format' = 'json');
        CREATE MODEL natality
        INPUT (a INT, b INT, c INT, d INT, e INT, f INT, g INT, h INT) OUTPUT (weight DOUBLE)
        WITH ('provider' = 'xgboost', 'path' = 'natality_xgb.ubj');
        CREATE TABLE result (id BIGINT, weight DOUBLE) WITH ('connector' = 'blackhole');
        INSERT INTO result SELECT id, weight FROM ML_PREDICT(TABLE births, MODEL natality, DESCRIPTOR(is_male, mother_age,
          plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born, mother_married));
        """

    private static func trees(_ models: String) throws {
        let chain = try Chain(natality, modelDirectory: models)
        guard chain.decode([Messages.birth(0)]) == 1 else { Measurement.fail("decode") }
        try chain.process()
        let expected = chain.last.batch!.columns[1].doubles[0]
        guard expected > 2, expected < 12 else { Measurement.fail("weight of a baby") }
        for size in batches {
            let messages = (0..<size).map(Messages.birth)
            guard chain.decode(messages) == size else { Measurement.fail("decode") }
            try Measurement.run("100 trees (natality), batch \(size)", rows: size) {
                try chain.process()
                return chain.last.batch!.columns[1].doubles[0] == expected
            }
        }
    }

    private static func encode() throws {
        let chain = try Chain(
            ddl + sink("a BIGINT, b BIGINT, c STRING, d DOUBLE, e STRING")
                + "INSERT INTO result SELECT event_id, ts, account, amount, country FROM payments;")
        let size = 64
        guard chain.decode((0..<size).map(Messages.payment)) == size else { Measurement.fail("decode") }
        let encoder = try chain.makeEncoder()
        let buffer = ByteBuffer()
        try Measurement.run("JSON encoding, 5 fields", rows: size) {
            buffer.clear()
            for row in 0..<size { try encoder.encode(chain.source.rows, row: row, into: buffer) }
            return buffer.count > 80 * size
        }
    }

    private static func whole(_ models: String) throws {
        let chain = try Chain(natality, modelDirectory: models)
        for size in [1, 8, 1024] {
            let messages = (0..<size).map(Messages.birth)
            try Measurement.run("decode, project, predict, batch \(size)", rows: size) {
                guard chain.decode(messages) == size else { return false }
                try chain.process()
                return chain.last.batch?.count == size
            }
        }
    }
}

import MillraceCore
import MillraceModels
import MillraceRuntime
import Workloads

/// The cases: each step of the hot path by itself, then the steps together.
enum Cases {
    static let batches = [1, 8, 64, 1024]

    static func all() -> [MicroCase] {
        decode() + wide() + [expressions, window, natalityTrees, encode, whole].flatMap { $0() }
            + TreeCases.all() + PostgresCases.all()
    }

    static let ddl = """
        CREATE TABLE payments (
          event_id BIGINT, ts BIGINT, account STRING, amount DOUBLE, country STRING,
          at AS TO_TIMESTAMP_LTZ(ts / 1000, 3), WATERMARK FOR at AS at - INTERVAL '1' SECOND
        ) WITH ('connector' = 'filesystem', 'path' = 'unused', 'format' = 'json');
        """

    static func sink(_ columns: String) -> String {
        "CREATE TABLE result (\(columns)) WITH ('connector' = 'blackhole');"
    }

    static let copying =
        ddl + sink("a BIGINT, b BIGINT, c STRING, d DOUBLE, e STRING")
        + "INSERT INTO result SELECT event_id, ts, account, amount, country FROM payments;"

    private static func decode() -> [MicroCase] {
        batches.map { size in
            MicroCase("JSON, 200 B, 5 fields, batch \(size)", rows: size) {
                let chain = try Chain(copying)
                let messages = (0..<size).map(Messages.payment)
                return {
                    chain.decode(messages) == size
                        && chain.source.rows.columns[0].ints[size - 1] == Int64(100_000 + size - 1)
                }
            }
        }
    }

    private static func wide() -> [MicroCase] {
        batches.map { size in WideCases.millrace("JSON, 2 kB, 8 of 60 fields, batch \(size)", size) }
            + [WideCases.byName, WideCases.byWalk]
    }

    private static func expressions() -> [MicroCase] {
        batches.map { size in
            MicroCase("three expressions, batch \(size)", rows: size) {
                let chain = try Chain(
                    ddl + sink("a DOUBLE, b INT, c BOOLEAN")
                        + "INSERT INTO result SELECT amount * 1.19 + 2, CASE country WHEN 'US' THEN 1 WHEN 'GB' THEN 2 ELSE 0 END,"
                        + " amount > 100 AND event_id % 2 = 0 FROM payments;")
                let messages = (0..<size).map(Messages.payment)
                guard chain.decode(messages) == size else { fail("decode") }
                return {
                    try chain.process()
                    return chain.last.batch?.columns[1].ints[0] == 1
                }
            }
        }
    }

    private static func window() -> [MicroCase] {
        batches.map { size in
            MicroCase("watermark and 5 s window, batch \(size)", rows: size) {
                let chain = try Chain(
                    ddl + sink("s TIMESTAMP_LTZ(3), c STRING, n BIGINT, a DOUBLE")
                        + "INSERT INTO result SELECT TUMBLE_START(at, INTERVAL '5' SECOND), country, COUNT(*), SUM(amount)"
                        + " FROM payments GROUP BY country, TUMBLE(at, INTERVAL '5' SECOND);")
                let messages = (0..<size).map(Messages.payment)
                guard chain.decode(messages) == size else { fail("decode") }
                return {
                    try chain.process()
                    return chain.last.rows == 0
                }
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
    private static let models = Repository.root + "/pipelines/models"

    private static func natalityTrees() -> [MicroCase] {
        batches.map { size in
            MicroCase("ML_PREDICT, natality, batch \(size)", rows: size) {
                let chain = try Chain(natality, modelDirectory: models)
                guard chain.decode([Messages.birth(0)]) == 1 else { fail("decode") }
                try chain.process()
                let expected = chain.last.batch!.columns[1].doubles[0]
                guard expected > 2, expected < 12 else { fail("weight of a baby") }
                let messages = (0..<size).map(Messages.birth)
                guard chain.decode(messages) == size else { fail("decode") }
                return {
                    try chain.process()
                    return chain.last.batch!.columns[1].doubles[0] == expected
                }
            }
        }
    }

    private static func encode() -> [MicroCase] {
        [64].map { size in
            MicroCase("JSON encoding, 5 fields, batch \(size)", rows: size) {
                let chain = try Chain(copying)
                guard chain.decode((0..<size).map(Messages.payment)) == size else { fail("decode") }
                let encoder = try chain.makeEncoder()
                let buffer = ByteBuffer()
                return {
                    buffer.clear()
                    for row in 0..<size { try encoder.encode(chain.source.rows, row: row, into: buffer) }
                    return buffer.count > 80 * size
                }
            }
        }
    }

    private static func whole() -> [MicroCase] {
        batches.map { size in
            MicroCase("decode, project, predict, batch \(size)", rows: size) {
                let chain = try Chain(natality, modelDirectory: models)
                let messages = (0..<size).map(Messages.birth)
                return {
                    guard chain.decode(messages) == size else { return false }
                    try chain.process()
                    return chain.last.batch?.count == size
                }
            }
        }
    }
}

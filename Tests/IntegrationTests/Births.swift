import Foundation

/// Birth records whose windows can be recomputed in SQL: event times go up with the number, shaken by less than the
/// watermark's bound, so no row is late however the partitions interleave.
struct Births {
    struct Birth {
        var id: Int
        /// Milliseconds since 1970.
        var time: Int
        var isMale: Bool
        var age: Int
        var plurality: Int
        var weeks: Int
        var smokes: Bool?
        var gain: Int
        var born: Int
        var married: Bool
        var partition: Int32

        var json: String {
            let smokes = smokes.map { ",\"cigarette_use\":\($0)" } ?? ""
            return """
                {"birth_id":\(id),"event_time":"\(Births.text(time))Z","is_male":\(isMale),"mother_age":\(age),\
                "plurality":\(plurality),"gestation_weeks":\(weeks),"weight_gain_pounds":\(gain),"ever_born":\(born),\
                "mother_married":\(married)\(smokes)}
                """
        }
    }

    static let partitions = 4
    /// 2024-01-01, far from the wall clock.
    private static let start = 1_704_067_200_000
    /// The pipeline's bound is 1000.
    private static let shakeMilliseconds = 800

    let all: [Birth]

    init(count: Int, millisecondsBetween step: Int, seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        all = (0..<count).map { id in
            // The first of each partition comes before all others, so that no partition counts as never used.
            let shake = id < Births.partitions ? 0 : Int.random(in: 0..<Births.shakeMilliseconds, using: &random)
            return Birth(
                id: id, time: Births.start + id * step - shake, isMale: Bool.random(using: &random),
                age: Int.random(in: 15...44, using: &random), plurality: Int.random(in: 1...2, using: &random),
                weeks: Int.random(in: 35...42, using: &random),
                smokes: [true, false, nil].randomElement(using: &random)!,
                gain: Int.random(in: 5...60, using: &random), born: Int.random(in: 1...4, using: &random),
                married: Bool.random(using: &random),
                partition: id < Births.partitions ? Int32(id) : Int32.random(in: 0..<4, using: &random))
        }
    }

    static func text(_ milliseconds: Int) -> String {
        let seconds = milliseconds / 1000
        let day = (seconds - start / 1000) / 86_400
        precondition(day >= 0 || milliseconds >= start - 1000, "one month is enough")
        let ofDay = (seconds % 86_400 + 86_400) % 86_400
        let date = seconds < start / 1000 ? "2023-12-31" : "2024-01-" + pad(day + 1, 2)
        return
            "\(date) \(pad(ofDay / 3600, 2)):\(pad(ofDay / 60 % 60, 2)):\(pad(ofDay % 60, 2)).\(pad(milliseconds % 1000, 3))"
    }

    private static func pad(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    func send(_ range: Range<Int>, to producer: TestProducer) throws {
        for birth in all[range] { try producer.send(birth.json, partition: birth.partition) }
        try producer.flush()
    }

    /// Table `raw`, for the recomputation.
    func load(into bench: Workbench) throws {
        try bench.sql(
            "CREATE TABLE raw (birth_id bigint, event_time timestamp, is_male boolean, mother_age int, partition int)")
        for first in stride(from: 0, to: all.count, by: 2000) {
            let rows = all[first..<min(first + 2000, all.count)].map {
                "(\($0.id),'\(Births.text($0.time))',\($0.isMale),\($0.age),\($0.partition))"
            }
            try bench.sql("INSERT INTO raw VALUES " + rows.joined(separator: ","))
        }
    }

    /// Scoring row by row, and three window aggregates over the scores; no keys, so that doubles would show.
    static func sql(suffix: String = "", idleSeconds: Int = 4, options: String = "") -> String {
        """
        SET 'pipeline.name' = 'births\(suffix)';
        CREATE TABLE births (
            birth_id BIGINT, event_time TIMESTAMP_LTZ(3), is_male BOOLEAN, mother_age INT, plurality INT,
            gestation_weeks INT, cigarette_use BOOLEAN, weight_gain_pounds INT, ever_born INT, mother_married BOOLEAN,
            kafka_partition INT METADATA FROM 'partition' VIRTUAL, kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL,
            WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
        ) WITH (
            'connector' = 'kafka', 'topic' = '$TOPIC', 'properties.bootstrap.servers' = '$BROKER',
            'scan.startup.mode' = 'earliest-offset', 'scan.watermark.idle-timeout' = '\(idleSeconds) s', 'format' = 'json'
            \(options)
        );
        CREATE MODEL natality
        INPUT (is_male BOOLEAN, mother_age INT, plurality INT, gestation_weeks INT, cigarette_use BOOLEAN,
               weight_gain_pounds INT, ever_born INT, mother_married BOOLEAN)
        OUTPUT (weight_pounds DOUBLE)
        WITH ('provider' = 'xgboost', 'path' = '$MODELS/natality_xgb.ubj');

        CREATE VIEW scored AS SELECT * FROM ML_PREDICT(TABLE births, MODEL natality,
            DESCRIPTOR(is_male, mother_age, plurality, gestation_weeks, cigarette_use, weight_gain_pounds, ever_born,
                       mother_married));

        CREATE TABLE predictions\(suffix) (
            birth_id BIGINT, weight_pounds DOUBLE, kafka_partition INT, kafka_offset BIGINT
        ) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'predictions\(suffix)', 'create-table' = 'true');
        CREATE TABLE tumbling\(suffix) (
            period_start TIMESTAMP(3), is_male BOOLEAN, births BIGINT, ages BIGINT, mean DOUBLE
        ) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'tumbling\(suffix)', 'create-table' = 'true');
        CREATE TABLE hopping\(suffix) (
            period_start TIMESTAMP(3), births BIGINT, ages BIGINT
        ) WITH ('connector' = 'postgres', 'url' = '$DATABASE', 'table-name' = 'hopping\(suffix)', 'create-table' = 'true');

        INSERT INTO predictions\(suffix) SELECT birth_id, weight_pounds, kafka_partition, kafka_offset FROM scored;
        INSERT INTO tumbling\(suffix)
        SELECT window_start, is_male, COUNT(*), SUM(CAST(mother_age AS BIGINT)), AVG(weight_pounds)
        FROM TUMBLE(TABLE scored, DESCRIPTOR(event_time), INTERVAL '2' SECOND) GROUP BY window_start, window_end, is_male;
        INSERT INTO hopping\(suffix)
        SELECT window_start, COUNT(*), SUM(CAST(mother_age AS BIGINT))
        FROM HOP(TABLE births, DESCRIPTOR(event_time), INTERVAL '1' SECOND, INTERVAL '3' SECOND)
        GROUP BY window_start, window_end;
        """
    }

    /// The number of rows that are in one table and not in the other, counting doubles, for each output; all "0" when right.
    ///
    /// Needs `raw` and the tables `…_batch` of an uninterrupted, bounded run.
    static let differences: [(name: String, sql: String)] = [
        (
            "predictions, row by row, against an uninterrupted run",
            """
            SELECT count(*) FROM (
              (SELECT * FROM predictions EXCEPT ALL SELECT * FROM predictions_batch) UNION ALL
              (SELECT * FROM predictions_batch EXCEPT ALL SELECT * FROM predictions)) d
            """
        ),
        (
            "predictions against the raw rows",
            """
            SELECT count(*) FROM (
              (SELECT birth_id, kafka_partition FROM predictions EXCEPT ALL SELECT birth_id, partition FROM raw) UNION ALL
              (SELECT birth_id, partition FROM raw EXCEPT ALL SELECT birth_id, kafka_partition FROM predictions)) d
            """
        ),
        (
            "tumbling windows",
            """
            WITH batch AS (
              SELECT date_bin('2 s', event_time, '2000-01-01') AS period_start, is_male, count(*) AS births,
                sum(mother_age) AS ages FROM raw GROUP BY 1, 2)
            SELECT count(*) FROM (
              (SELECT period_start, is_male, births, ages FROM tumbling EXCEPT ALL SELECT * FROM batch) UNION ALL
              (SELECT * FROM batch EXCEPT ALL SELECT period_start, is_male, births, ages FROM tumbling)) d
            """
        ),
        (
            "tumbling means, to the rounding of another order of adding",
            """
            WITH batch AS (
              SELECT date_bin('2 s', event_time, '2000-01-01') AS period_start, r.is_male, avg(weight_pounds) AS mean
              FROM raw r JOIN predictions_batch USING (birth_id) GROUP BY 1, 2)
            SELECT count(*) FROM batch FULL JOIN tumbling t USING (period_start, is_male)
            WHERE (abs(batch.mean - t.mean) < 1e-9) IS NOT TRUE
            """
        ),
        (
            "hopping windows",
            """
            WITH batch AS (
              SELECT date_bin('1 s', event_time, '2000-01-01') - hop * INTERVAL '1 s' AS period_start, count(*) AS births,
                sum(mother_age) AS ages FROM raw, generate_series(0, 2) AS hop GROUP BY 1)
            SELECT count(*) FROM (
              (SELECT * FROM hopping EXCEPT ALL SELECT * FROM batch) UNION ALL
              (SELECT * FROM batch EXCEPT ALL SELECT * FROM hopping)) d
            """
        ),
        ("dead letters", "SELECT count(*) FROM millrace.dead_letter"),
    ]
}

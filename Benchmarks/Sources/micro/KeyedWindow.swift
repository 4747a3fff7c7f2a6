import Glibc
import MillraceCore
import MillraceRuntime

/// An open tumbling window with many keys, each met again and again in a scattered order.
final class KeyedWindow {
    private let chain: Chain
    private let keys: Int
    private let batch = 1024
    private let column: Column
    private var next = 0
    /// Resident memory that the keys' first events added, a key.
    private(set) var bytesAKey: Double

    init(keys: Int) throws {
        self.keys = keys
        chain = try Chain(
            """
            CREATE TABLE events (id BIGINT, ts BIGINT, amount DOUBLE, at AS TO_TIMESTAMP_LTZ(ts / 1000, 3),
              WATERMARK FOR at AS at - INTERVAL '1' SECOND)
            WITH ('connector' = 'filesystem', 'path' = 'unused', 'format' = 'json');
            CREATE TABLE result (s TIMESTAMP_LTZ(3), id BIGINT, n BIGINT, a DOUBLE) WITH ('connector' = 'blackhole');
            INSERT INTO result SELECT TUMBLE_START(at, INTERVAL '1' HOUR), id, COUNT(*), SUM(amount)
            FROM events GROUP BY id, TUMBLE(at, INTERVAL '1' HOUR);
            """)
        let messages = (0..<batch).map { Messages.text(#"{"id":\#($0),"ts":1700000000000000,"amount":\#($0).5}"#) }
        guard chain.decode(messages) == batch,
            let index = chain.plan.sources[0].fields.firstIndex(where: { $0.name == "id" })
        else { fail("decode") }
        column = chain.source.rows.columns[index]
        try chain.process()
        let before = KeyedWindow.residentBytes()
        bytesAKey = 0
        for _ in 0..<(keys / batch + 1) { try step() }
        bytesAKey = Double(KeyedWindow.residentBytes() - before) / Double(keys)
        guard chain.last.rows == 0 else { fail("a window fired") }
    }

    /// One batch with the next keys; a step that has no common divisor with their number meets each once a round.
    private func step() throws {
        for row in 0..<batch {
            column.ints[row] = Int64(next)
            next += 611_953
            next %= keys
        }
        try chain.process()
    }

    /// The fastest of several spells: whatever else runs only ever adds.
    func nanosecondsAnEvent() throws -> Double {
        let steps = 256
        for _ in 0..<steps { try step() }
        var spells: [Double] = []
        for _ in 0..<15 {
            let start = Measurement.nanoseconds()
            for _ in 0..<steps { try step() }
            spells.append(Double(Measurement.nanoseconds() - start) / Double(steps * batch))
        }
        return spells.min()!
    }

    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 256)
        guard fgets(&text, 256, file) != nil else { return 0 }
        let fields = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}

import CProjection
import MillraceCore
import MillraceRuntime

/// A wide event, eight of its sixty fields used: Millrace's decoder, and what one would write by hand in C++.
enum WideCases {
    static let used = ["id", "account", "amount", "country", "quantity", "price", "channel", "score"]
    private static let types = ["BIGINT", "STRING", "DOUBLE", "STRING", "BIGINT", "DOUBLE", "STRING", "BIGINT"]
    static let size = 1024

    static func millrace(_ name: String, _ size: Int) -> MicroCase {
        MicroCase(name, rows: size) {
            let others = Messages.otherFields.map { "\($0) STRING" }
            let declared = (zip(used, types).map { "\($0) \($1)" } + others).joined(separator: ", ")
            let chain = try Chain(
                "CREATE TABLE wide (\(declared)) WITH ('connector' = 'filesystem', 'path' = 'unused', 'format' = 'json');"
                    + Cases.sink(types.enumerated().map { "c\($0) \($1)" }.joined(separator: ", "))
                    + "INSERT INTO result SELECT \(used.joined(separator: ", ")) FROM wide;")
            let columns = used.map { name in
                guard let index = chain.plan.sources[0].fields.firstIndex(where: { $0.name == name }) else {
                    fail("column \(name)")
                }
                return index
            }
            let messages = (0..<size).map(Messages.wide)
            return {
                guard chain.decode(messages) == size else { return false }
                let rows = chain.source.rows.columns
                return rows[columns[0]].ints[size - 1] == Int64(1_000_000 + size - 1)
                    && rows[columns[6]].refs[size - 1].count == 3
                    && rows[columns[7]].ints[size - 1] == Int64((size - 1) % 1000)
            }
        }
    }

    typealias Project = (OpaquePointer, UnsafePointer<UInt8>, Int, UnsafeMutablePointer<projection_event>) -> Int32

    private static func byHand(_ name: String, _ project: @escaping Project) -> MicroCase {
        MicroCase(name, rows: size) {
            let messages = (0..<size).map(Messages.wide)
            guard let projection = projection_create() else { fail("no memory") }
            let none = messages[0].start.withMemoryRebound(to: CChar.self, capacity: 1) {
                projection_text(start: $0, count: 0)
            }
            var event = projection_event(
                id: 0, account: none, amount: 0, country: none, quantity: 0, price: 0, channel: none, score: 0)
            return {
                for message in messages {
                    guard project(projection, message.start, message.count, &event) == 0 else { return false }
                }
                return event.id == Int64(1_000_000 + size - 1) && event.channel.count == 3
                    && event.score == Int64((size - 1) % 1000)
            }
        }
    }

    static var byName: MicroCase {
        byHand("the same in C++ (simdjson On-Demand), by name") { projection_by_name($0, $1, $2, $3) }
    }
    static var byWalk: MicroCase {
        byHand("the same in C++ (simdjson On-Demand), by walk") { projection_by_walk($0, $1, $2, $3) }
    }
}

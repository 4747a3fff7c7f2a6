internal import CLibrdkafka
import Glibc
import MillraceCore
import MillraceRuntime

/// The metadata keys a Kafka table may declare as columns (`dialect` B.4, Flink's names and types).
enum MetadataKey: String, CaseIterable {
    case topic, partition, headers
    case headerList = "header-list"
    case leaderEpoch = "leader-epoch"
    case offset, timestamp
    case timestampType = "timestamp-type"

    static let headerListType = DataType.array(
        .row([Field("key", .string), Field("value", .bytes)]))

    var type: DataType {
        switch self {
        case .topic, .timestampType: .string
        case .partition, .leaderEpoch: .integer
        case .headers: .map(key: .string, value: .bytes)
        case .headerList: Self.headerListType
        case .offset: .bigInt
        case .timestamp: .timestampLTZ(precision: 3)
        }
    }
    var isWritable: Bool { self == .topic || self == .headers || self == .headerList || self == .timestamp }

    /// A column of `type` can be filled: the same layout, whatever the declared width.
    func fits(_ declared: DataType) -> Bool {
        switch self {
        case .topic, .timestampType: declared.isCharacter
        case .partition, .leaderEpoch, .offset: declared.isInteger
        case .timestamp: declared.isTimestamp
        case .headers:
            if case .map(let key, let value) = declared {
                key.isCharacter && (value.isBinary || value.isCharacter)
            } else {
                false
            }
        case .headerList:
            if case .array(.row(let fields)) = declared {
                fields.count == 2 && fields[0].type.layout == .bytes && fields[1].type.layout == .bytes
            } else {
                false
            }
        }
    }
}

/// Fills metadata columns for the rows of one poll.
///
/// Cells point into librdkafka's messages, so they are valid as long as those: until the next poll.
struct MetadataColumns {
    typealias Message = UnsafeMutablePointer<rd_kafka_message_t>

    /// One cell a row; row `i` comes from message `origins[i]`.
    static func fill(
        _ column: Column, _ key: MetadataKey, rows: Int, origins: UnsafePointer<Int32>,
        messages: UnsafePointer<Message?>, records: RecordTable, topicNames: [ByteRef]
    ) {
        column.clear()
        column.reserve(rows)
        switch key {
        case .topic:
            for i in 0..<rows {
                column.append(bytes: topicNames[Int(records.partition[Int(origins[i])])])
            }
        case .partition:
            for i in 0..<rows { column.append(int: Int64(messages[Int(origins[i])]!.pointee.partition)) }
        case .offset:
            for i in 0..<rows { column.append(int: records.offset[Int(origins[i])]) }
        case .timestamp:
            for i in 0..<rows {
                let time = records.timestamp[Int(origins[i])]
                if time == .min { column.appendNull() } else { column.append(int: time) }
            }
        case .timestampType:
            for i in 0..<rows { column.append(bytes: timestampType(messages[Int(origins[i])]!)) }
        case .leaderEpoch:
            for i in 0..<rows {
                let epoch = millrace_kafka_leader_epoch(messages[Int(origins[i])]!)
                if epoch < 0 { column.appendNull() } else { column.append(int: Int64(epoch)) }
            }
        case .headers:
            for i in 0..<rows { appendMap(column, messages[Int(origins[i])]!) }
        case .headerList:
            for i in 0..<rows { appendList(column, messages[Int(origins[i])]!) }
        }
    }

    /// Flink's names of Kafka's timestamp types; constants.
    nonisolated(unsafe) private static let noTimestamp = ByteRef("NoTimestampType")
    nonisolated(unsafe) private static let createTime = ByteRef("CreateTime")
    nonisolated(unsafe) private static let logAppendTime = ByteRef("LogAppendTime")

    private static func timestampType(_ message: Message) -> ByteRef {
        var type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        _ = rd_kafka_message_timestamp(message, &type)
        switch type {
        case RD_KAFKA_TIMESTAMP_CREATE_TIME: return createTime
        case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME: return logAppendTime
        default: return noTimestamp
        }
    }

    /// Calls `body` with each header in order; `value` is absent for a null one.
    @inline(__always)
    static func forEachHeader(_ message: Message, _ body: (_ name: ByteRef, _ value: ByteRef) -> Void) {
        var headers: OpaquePointer?
        guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, let headers else { return }
        var index = 0
        while true {
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var size = 0
            guard rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR,
                let name
            else { return }
            let nameRef = ByteRef(
                start: UnsafeRawPointer(name).assumingMemoryBound(to: UInt8.self), count: strlen(name))
            if let value {
                body(nameRef, ByteRef(start: value.assumingMemoryBound(to: UInt8.self), count: size))
            } else {
                body(nameRef, .absent)
            }
            index += 1
        }
    }

    /// Last duplicate wins, at the place of the first.
    private static func appendMap(_ column: Column, _ message: Message) {
        let (keys, values) = (column.children[0], column.children[1])
        let start = keys.count
        forEachHeader(message) { name, value in
            var place = start
            while place < keys.count, !keys.refs[place].equals(name) { place += 1 }
            if place < keys.count {
                values.refs[place] = value.isAbsent ? .empty : value
                values.states[place] = value.isAbsent ? CellState.null : CellState.valid
                if value.isAbsent { values.allValid = false }
            } else {
                keys.append(bytes: name)
                append(value, to: values)
            }
        }
        column.append(list: ListRef(start: Int32(start), count: Int32(keys.count - start)))
    }

    private static func appendList(_ column: Column, _ message: Message) {
        let element = column.children[0]
        let start = element.count
        forEachHeader(message) { name, value in
            element.appendRow()
            element.children[0].append(bytes: name)
            append(value, to: element.children[1])
        }
        column.append(list: ListRef(start: Int32(start), count: Int32(element.count - start)))
    }

    private static func append(_ value: ByteRef, to column: Column) {
        if value.isAbsent { column.appendNull() } else { column.append(bytes: value) }
    }
}

extension ByteRef {
    /// A constant's bytes, valid for ever.
    init(_ text: StaticString) { self.init(start: text.utf8Start, count: text.utf8CodeUnitCount) }

    /// A copy of `text` that is never freed; for the few names that live as long as the process.
    static func permanent(_ text: String) -> ByteRef {
        let bytes = Array(text.utf8)
        let target = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, bytes.count))
        target.initialize(from: bytes, count: bytes.count)
        return ByteRef(start: target, count: bytes.count)
    }
}

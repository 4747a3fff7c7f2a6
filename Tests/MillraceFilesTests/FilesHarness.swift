import Foundation
import MillraceCore
import MillraceFiles
import MillraceFormats
import MillraceRuntime
import Synchronization

final class HandClock: Clock {
    let time = Mutex<Int64>(0)
    func wallMicroseconds() -> Int64 { 1_700_000_000_000_000 + time.withLock { $0 } }
    func monotonicMicroseconds() -> Int64 { time.withLock { $0 } }
    func advance(_ microseconds: Int64) { time.withLock { $0 += microseconds } }
}

/// A directory that is removed with it.
final class Scratch {
    let path: String
    init() throws {
        path = NSTemporaryDirectory() + "millrace-files-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }
    func read(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }
    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

func sourcePlan(
    _ connector: String, _ columns: [(String, DataType)], _ options: [String: String],
    metadata: [(String, DataType)] = []
) -> SourcePlan {
    SourcePlan(
        name: "t", connector: connector, options: options, physicalSchema: Schema(columns.map { Field($0.0, $0.1) }),
        fields: columns.map { SourceField(name: $0.0, origin: .physical(path: [$0.0]), type: $0.1) }
            + metadata.map { SourceField(name: $0.0, origin: .metadata(key: $0.0), type: $0.1) })
}

struct ReadResult {
    var rows: [[Value]] = []
    /// File and record number of each row.
    var places: [String] = []
    var rejected: [String] = []
    var batches = 0
    var next: [Int64] = []
}

func read(
    _ plan: SourcePlan, limits: Limits = Limits(), from positions: [SourcePosition] = [],
    clock: HandClock = HandClock(),
    maxPolls: Int = 10_000
) throws -> ReadResult {
    let source = try FilesConnectors.makeSource(plan, formats: Formats(), limits: limits, clock: clock)!
    try source.start(from: positions)
    let batch = SourceBatch(plan.schema, arena: BatchArena())
    var result = ReadResult()
    for _ in 0..<maxPolls {
        let status = try source.poll(into: batch)
        if case .finished = status { break }
        if batch.records.count > 0 { result.batches += 1 }
        for row in 0..<batch.rows.count {
            result.rows.append(batch.rows.row(row))
            let record = Int(batch.rows.metadata.origins[row])
            let file = source.partitions[Int(batch.records.partition[record])].topic.split(separator: "/").last ?? ""
            result.places.append("\(file):\(batch.records.offset[record])")
        }
        for rejected in batch.rejected {
            result.rejected.append(
                "\(batch.records.offset[Int(rejected.record)]) \(rejected.reason.reason): \(rejected.detail)")
        }
    }
    result.next = source.partitions.indices.map { source.nextOffset(partition: $0) }
    source.close()
    return result
}

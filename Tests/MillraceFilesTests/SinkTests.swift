import Foundation
import MillraceCore
import MillraceFormats
import MillraceRuntime
import Testing

@testable import MillraceFiles

private let schema = Schema([Field("a", .integer), Field("b", .string)])

private func batch(_ rows: [[Value]], _ schema: Schema = schema, arena: BatchArena) -> ColumnBatch {
    let batch = ColumnBatch(schema)
    for row in rows {
        for (column, value) in zip(batch.columns, row) { column.append(value, arena: arena) }
        batch.count += 1
    }
    return batch
}

@Suite struct SinkTests {
    private func write(_ path: String, format: String, _ rows: [[Value]], close: Bool = true) throws -> any SinkSession
    {
        let plan = SinkPlan(
            name: "s", connector: "filesystem", options: ["path": path, "format": format], schema: schema)
        let made = try FilesConnectors.makeSink(plan, formats: Formats(), limits: Limits(), clock: HandClock())!
        let arena = BatchArena()
        try made.sink.write(batch(rows, arena: arena)) { _, _, _ in Issue.record("rejected") }
        #expect(made.session.uncommittedRows == rows.count)
        try made.session.submit(ticket: 7, positions: [], deadLetters: [])
        #expect(try made.session.drive(now: 0) == 7)
        #expect(made.session.uncommittedRows == 0)
        if close { try made.session.close(deadlineMicroseconds: 0) }
        return made.session
    }

    @Test func singleFileIsEmptiedFirst() throws {
        let scratch = try Scratch()
        try scratch.write("x.jsonl", "old\n")
        _ = try write("\(scratch.path)/x.jsonl", format: "json", [[.integer(1), .string("x")], [.null, .null]])
        #expect(try scratch.read("x.jsonl") == "{\"a\":1,\"b\":\"x\"}\n{\"a\":null,\"b\":null}\n")
    }

    @Test func directoryGetsPartFilesOnClose() throws {
        let scratch = try Scratch()
        let session = try write("\(scratch.path)", format: "csv", [[.integer(1), .string("x,y")]], close: false)
        #expect(try scratch.names().allSatisfy { $0.hasPrefix(".") })
        try session.close(deadlineMicroseconds: 0)
        _ = try write("\(scratch.path)", format: "csv", [[.integer(2), .string("z")]])
        #expect(try scratch.names() == ["part-0-0", "part-0-1"])
        #expect(try scratch.read("part-0-0") == "1,\"x,y\"\n")
        #expect(try scratch.read("part-0-1") == "2,z\n")
    }

    @Test func printLines() throws {
        let schema = Schema([
            Field("a", .integer), Field("s", .string), Field("d", .double),
            Field("n", .decimal(precision: 5, scale: 2)),
            Field("t", .timestamp(precision: 3)),
            Field("r", .row([Field("x", .integer), Field("y", .array(.integer))])),
        ])
        let arena = BatchArena()
        let rows: [[Value]] = [
            [
                .integer(1), .string("é x"), .double(2), .decimal(150), .integer(500_000),
                .row([.null, .array([.integer(1), .integer(2)])]),
            ],
            [.null, .null, .null, .null, .null, .null],
        ]
        let pipe = Pipe()
        let plan = SinkPlan(name: "p", connector: "print", options: ["print-identifier": "out"], schema: schema)
        let sink = try PrintSink(plan, standardOutput: pipe.fileHandleForWriting.fileDescriptor)
        try sink.write(batch(rows, schema, arena: arena)) { _, _, _ in }
        try sink.submit(ticket: 0, positions: [], deadLetters: [])
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(
            text == """
                out> +I[1, é x, 2.0, 1.50, 1970-01-01T00:00:00.5, +I[null, [1, 2]]]
                out> +I[null, null, null, null, null, null]

                """)
    }

    @Test func otherConnectorsAreNotOurs() throws {
        let plan = SinkPlan(name: "k", connector: "kafka", options: [:], schema: schema)
        #expect(try FilesConnectors.makeSink(plan, formats: Formats(), limits: Limits(), clock: HandClock()) == nil)
    }
}

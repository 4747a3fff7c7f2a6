import MillraceCore

/// The rows that a join has taken from its two sides, in their order: runs of one side, each an `InputLog`.
final class JoinLog {
    private let sides: [InputLog]
    private let buffer = ByteBuffer(capacity: 1024)
    private let scratch = ByteBuffer(capacity: 1024)
    /// The side whose run is open.
    private var port = 0

    init(left: Schema, right: Schema) {
        sides = [left, right].map { InputLog(Array(0..<$0.count), input: $0) }
    }

    var isEmpty: Bool { buffer.count == 0 && sides[port].isEmpty }

    /// Where the next record of a side goes.
    func side(_ port: Int) -> InputLog {
        if port != self.port { close() }
        self.port = port
        return sides[port]
    }

    private func close() {
        guard !sides[port].isEmpty else { return }
        scratch.clear()
        sides[port].write(to: scratch)
        buffer.append(UInt8(port))
        buffer.append(counted: scratch.bytes)
    }

    /// Hands over what has gathered.
    func write(to log: ByteBuffer) {
        close()
        log.append(buffer.bytes)
        buffer.clear()
    }

    /// Gives the records back in their order.
    func read(
        _ reader: inout StateReader, rows: (ColumnBatch, _ port: Int) throws(Diagnostic) -> Void,
        moment: (Int64) throws(Diagnostic) -> Void
    ) throws(Diagnostic) {
        while !reader.isAtEnd {
            let port = Int(reader.byte() & 1)
            var run = StateReader(reader.counted())
            try sides[port].read(
                &run, rows: { batch throws(Diagnostic) in try rows(batch, port) }, watermark: moment)
            if run.isDamaged { reader.fail() }
        }
    }
}

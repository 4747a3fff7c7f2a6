import MillraceCore
import MillraceRuntime

/// A sink that is its own session: what has been written is durable once `submit` has flushed it.
class ImmediateSession: SinkSession {
    private var durable: Int64 = -1
    var writtenRows = 0

    var descriptor: Int32 { -1 }
    var wantsWrite: Bool { false }
    var deadline: Int64? { nil }
    var uncommittedRows: Int { writtenRows }
    var uncommittedBytes: Int { 0 }
    var canSubmit: Bool { true }
    var keepsDeadLetters: Bool { false }

    /// Hands everything over to the operating system.
    func flush() throws(Diagnostic) {}
    /// The last flush is done; nothing will be written any more.
    func finish() throws(Diagnostic) {}

    /// Dead letters of the commit that is about to be flushed.
    func take(_ deadLetters: [DeadLetter]) {}

    final func submit(
        ticket: Int64, positions: SourceProgress, deadLetters: [DeadLetter]
    ) throws(Diagnostic) {
        take(deadLetters)
        try flush()
        writtenRows = 0
        durable = ticket
    }
    final func drive(now: Int64) throws(Diagnostic) -> Int64 { durable }
    final func close(deadlineMicroseconds: Int64) throws(Diagnostic) {
        try flush()
        writtenRows = 0
        try finish()
    }
}

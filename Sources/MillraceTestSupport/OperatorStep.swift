import MillraceCore
import MillraceRuntime

/// What happens to an operator.
public enum OperatorStep: Sendable {
    case rows([ScriptedRow], port: Int)
    case watermark(Int64, port: Int)
    /// The clock goes on.
    case milliseconds(Int64)
    /// The shard looks at the clock for operators that wait for a moment.
    case tick
}

extension OperatorHarness {
    public func take(_ step: OperatorStep) throws {
        switch step {
        case .rows(let rows, let port): try feed(rows, port: port)
        case .watermark(let watermark, let port): try advance(to: watermark, port: port)
        case .milliseconds(let time): clock.advance(milliseconds: time)
        case .tick: try (first as? any TimedOperator)?.tick(now: clock.wallMicroseconds(), context: context)
        }
    }
}

extension CollectingOperator {
    /// What reached it, for messages.
    public var transcript: [String] {
        rows.indices.map { "\(kinds[$0].text) \(rows[$0]) at \(rowWatermarks[$0])" }
    }
}

import Foundation
import Testing

@testable import MillraceDemo

@Suite struct TransactionGeneratorTests {
    private struct Payment: Decodable {
        var account: String
        var event_ms: Int64
        var amount: Double
        var country: String
    }
    private static let now: Int64 = 1_700_000_000_000

    /// A week of the accounts that are compromised later, in the order of time, so that nothing of it is late.
    @Test func historyComesInOrderAndEndsBeforeNow() throws {
        var generator = TransactionGenerator()
        let history = generator.history(nowMilliseconds: Self.now)
        let payments = try history.map { try JSONDecoder().decode(Payment.self, from: Data($0.value)) }
        #expect(payments.count > 1000)
        #expect(zip(payments, payments.dropFirst()).allSatisfy { $0.event_ms <= $1.event_ms })
        #expect(payments.allSatisfy { $0.event_ms < Self.now - 3_000_000 && $0.event_ms > Self.now - 7 * 86_400_000 })
        // Latency counts from when they are sent.
        #expect(history.allSatisfy { $0.timestampMilliseconds == Self.now })
    }

    /// Who is compromised has a history to stand out from.
    @Test func thievesSpendMoreThanOwners() throws {
        var generator = TransactionGenerator()
        var usual: [String: [Double]] = [:]
        for event in generator.history(nowMilliseconds: Self.now) {
            let payment = try JSONDecoder().decode(Payment.self, from: Data(event.value))
            usual[payment.account, default: []].append(payment.amount)
        }
        var stolen: [Double] = []
        for tick in 0..<60_000 {
            guard let event = generator.next(nowMilliseconds: Self.now + Int64(tick)),
                let payment = try? JSONDecoder().decode(Payment.self, from: Data(event.value)),
                let before = usual[payment.account], payment.amount > 3 * (before.max() ?? 0)
            else { continue }
            stolen.append(payment.amount)
            #expect(event.timestampMilliseconds == Self.now + Int64(tick))
        }
        #expect(stolen.count > 30)
    }
}

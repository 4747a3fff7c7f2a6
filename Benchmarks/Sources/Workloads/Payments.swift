/// Job A's events: payments with ten features. The event of number `i` is always the same but for its time.
public struct Payments: Sendable {
    /// What an event says besides its number and time.
    public struct Variant: Sendable {
        public var account: String
        public var cents: Int
        /// Index into `countries`, which is the model's code for it.
        public var country: Int
        /// Ten-thousandths.
        public var parts: [Int]

        public var amount: Double { Double(cents) / 100 }
        public var features: [Double] { [amount, Double(country)] + parts.map { Double($0) / 10_000 } }

        /// The event's bytes behind its time.
        public var json: String {
            #","account":"\#(account)","amount":\#(fixed(cents, 2)),"country":"\#(Payments.countries[country])""#
                + parts.enumerated().map { #","f\#($0 + 1)":\#(fixed($1, 4))"# }.joined() + "}"
        }
    }

    public static let countries = ["US", "GB", "DE", "FR", "KR", "JP", "BR", "IN", "NG", "CA"]
    /// Event `i` is variant `i % variantCount`.
    public static let variantCount = 4096

    public let variants: [Variant]

    public init(seed: UInt64 = 11) {
        var random = SeededRandom(seed: seed)
        variants = (0..<Payments.variantCount).map { _ in
            Variant(
                account: "acc" + padded(random.below(100_000), 6), cents: random.below(500_000),
                country: random.below(10), parts: (0..<8).map { _ in random.below(20_000) - 10_000 })
        }
    }
}

/// A whole number of `10^-digits` as a decimal number: `fixed(-1205, 2)` is `-12.05`.
func fixed(_ value: Int, _ digits: Int) -> String {
    var unit = 1
    for _ in 0..<digits { unit *= 10 }
    let size = abs(value)
    return (value < 0 ? "-" : "") + "\(size / unit)." + padded(size % unit, digits)
}

/// The number with leading zeros.
func padded(_ value: Int, _ digits: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

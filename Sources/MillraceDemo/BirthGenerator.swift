internal import MillraceCore

/// Birth records with the marginals that US birth statistics publish: age, multiple births, gestation, missing fields.
struct BirthGenerator: EventGenerator {
    let topic = "births"
    private var random = RandomStream(seed: 1969)
    private var id = 0

    mutating func next(nowMilliseconds now: Int64) -> Event? {
        id += 1
        if random.chance(0.0002) {
            return Event(key: nil, value: Array("birth record \(id) was lost\u{0}".utf8), timestampMilliseconds: now)
        }
        let time = random.chance(0.001) ? now - Int64(random.below(12_000)) : now
        let plurality = random.chance(0.032) ? (random.chance(0.03) ? 3 : 2) : 1
        let gestation = Int(random.normal(mean: plurality == 1 ? 38.7 : 35.2, deviation: plurality == 1 ? 2.2 : 3.1))
        var fields = [
            "\"birth_id\":\(id)", "\"event_time\":\"\(DemoTime.text(time))Z\"", "\"is_male\":\(random.chance(0.512))",
            "\"mother_age\":\(min(50, max(13, Int(random.normal(mean: 27.9, deviation: 6.1)))))",
            "\"plurality\":\(plurality)", "\"gestation_weeks\":\(min(45, max(20, gestation)))",
            "\"ever_born\":\(1 + Int(-1.1 * log2(max(random.unit(), 1e-6)) / 1.3))",
            "\"mother_married\":\(random.chance(0.62))",
        ]
        if random.chance(0.8) { fields.append("\"cigarette_use\":\(random.chance(0.1))") }
        if random.chance(0.85) {
            fields.append("\"weight_gain_pounds\":\(max(0, Int(random.normal(mean: 30.5, deviation: 13))))")
        }
        let text = "{" + fields.joined(separator: ",") + "}"
        return Event(key: nil, value: Array(text.utf8), timestampMilliseconds: now)
    }
}

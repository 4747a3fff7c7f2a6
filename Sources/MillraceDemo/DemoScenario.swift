/// The pipelines that `millrace demo` can show.
public enum DemoScenario: String, CaseIterable, Sendable {
    case babyWeight = "baby_weight"
    case salesByRegion = "sales_by_region"
    case flights

    /// Base name of the SQL file under `pipelines/`.
    var file: String { rawValue + ".sql" }

    public var summary: String {
        switch self {
        case .babyWeight: "birth records scored by gradient-boosted trees, five-second means per sex"
        case .salesByRegion: "the Dataflow SQL query: sales joined with regions, five-second sums"
        case .flights: "a real day of New York departures in a minute, delays per carrier, arrival delay scored"
        }
    }

    /// What the screen shows from the database: a title and a query each.
    var panels: [(title: String, header: [String], query: String)] {
        switch self {
        case .babyWeight:
            [
                (
                    "newest predictions", ["birth", "born", "pounds", "model", "partition", "offset"],
                    """
                    SELECT birth_id AS birth, to_char(event_time, 'HH24:MI:SS.MS') AS born, round(weight_pounds::numeric, 2) AS pounds, \
                    model_version AS model, kafka_partition AS part, kafka_offset AS offset \
                    FROM birth_predictions ORDER BY birth_id DESC LIMIT 6
                    """
                ),
                (
                    "five-second windows", ["start", "sex", "births", "mean pounds"],
                    """
                    SELECT to_char(period_start, 'HH24:MI:SS') AS start, CASE WHEN is_male THEN 'male' ELSE 'female' END AS sex, \
                    births, round(mean_weight_pounds::numeric, 3) AS mean_pounds \
                    FROM weight_by_sex ORDER BY period_start DESC, sex LIMIT 6
                    """
                ),
            ]
        case .salesByRegion:
            [
                (
                    "newest windows", ["start", "region", "amount"],
                    """
                    SELECT to_char(period_start, 'HH24:MI:SS') AS start, sales_region, amount \
                    FROM sales_by_region ORDER BY period_start DESC, amount DESC LIMIT 12
                    """
                )
            ]
        case .flights:
            [
                (
                    "newest departures", ["flight", "scheduled", "late min", "from", "to", "predicted arrival delay"],
                    """
                    SELECT flight, to_char(sched_dep, 'HH24:MI') AS scheduled, dep_delay AS late_min, origin, dest, \
                    round(predicted_arr_delay::numeric, 1) AS predicted_arr_delay \
                    FROM flight_predictions ORDER BY kafka_offset DESC LIMIT 6
                    """
                ),
                (
                    "hourly delays", ["hour", "from", "carrier", "departures", "mean delay"],
                    """
                    SELECT to_char(period_start, 'DD HH24:MI') AS hour, origin, carrier_name, departures, \
                    round(mean_dep_delay::numeric, 1) AS mean_delay \
                    FROM delays_hourly ORDER BY period_start DESC, departures DESC LIMIT 6
                    """
                ),
            ]
        }
    }
}

internal import MillraceRuntime

extension PrometheusText {
    /// Nothing for a pipeline without models; of contracts, canaries and shadows only what there is.
    static func models(_ models: [ModelStatus], page: inout Page) {
        guard !models.isEmpty else { return }
        func labels(_ status: ModelStatus) -> [(String, String)] {
            [("model", status.model), ("role", status.role.rawValue)]
        }
        page.family("millrace_model_info", .gauge, "The version of a model that is loaded.")
        for each in models { page.sample(labels(each) + [("version", each.version)], "1") }
        page.family("millrace_model_swaps_total", .counter, "Newer model files taken up.")
        for each in models { page.sample(labels(each), String(each.swaps)) }
        page.family("millrace_model_refused_swaps_total", .counter, "Newer model files that could not be used.")
        for each in models { page.sample(labels(each), String(each.refusedSwaps)) }

        let live = models.filter { $0.role == .live }
        func rows(_ name: String, _ help: String, _ count: (ModelCounts) -> Int) {
            page.family(name, .counter, help)
            for each in live { page.sample([("model", each.model)], String(count(each.counts))) }
        }
        rows("millrace_predict_timed_out_rows_total", "Rows that the deadline left no time for.") { $0.timedOutRows }
        rows("millrace_predict_overrun_rows_total", "Rows whose result came after the deadline and was kept.") {
            $0.overrunRows
        }
        rows("millrace_predict_canary_rows_total", "Rows that the canary scored.") { $0.canaryRows }

        let shadowed = live.filter { each in models.contains { $0.role == .shadow && $0.model == each.model } }
        guard !shadowed.isEmpty else { return }
        page.family("millrace_shadow_rows_total", .counter, "Rows of a shadow model.")
        for each in shadowed {
            let shadow = each.counts.shadow
            for (outcome, count) in [
                ("compared", shadow.comparedRows), ("disagreed", shadow.disagreedRows), ("failed", shadow.failedRows),
                ("skipped", shadow.skippedRows),
            ] { page.sample([("model", each.model), ("outcome", outcome)], String(count)) }
        }
        page.family("millrace_shadow_difference_mean", .gauge, "Mean absolute difference between shadow and answer.")
        for each in shadowed {
            page.sample([("model", each.model)], String(each.counts.shadow.absoluteDifferenceMean))
        }
        page.family("millrace_shadow_difference_max", .gauge, "Largest absolute difference between shadow and answer.")
        for each in shadowed {
            page.sample([("model", each.model)], String(each.counts.shadow.absoluteDifferenceMax))
        }
    }
}

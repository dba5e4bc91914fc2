"""The site's URLs: ours, the sign-up of the docs, and its own, which have names that ours could have as well."""

from django.urls import path
from rest_framework import serializers, viewsets
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import AllowAny
from rest_framework.routers import SimpleRouter

from django_verify.mobile.fields import VerifiedEmailField, VerifiedPhoneField
from django_verify.mobile.permissions import HasProof
from tests.mobile.pages import recipients


class Subscription(serializers.Serializer):
    username = serializers.CharField()
    proof = VerifiedPhoneField(purpose="sign-up")
    mail = VerifiedEmailField(purpose="sign-up", required=False)


class StartBody(serializers.Serializer):
    status = serializers.ChoiceField(["draft", "paid"])


class StateAnswer(serializers.Serializer):
    channel = serializers.ChoiceField(["shop", "web"])


class Refusal(serializers.Serializer):
    why = serializers.CharField()
    status = serializers.ChoiceField(["refused", "withdrawn"])


class SubscriptionView(CreateAPIView):
    permission_classes = [AllowAny]
    serializer_class = Subscription


class TransferView(CreateAPIView):
    permission_classes = [HasProof.for_purpose("transfer")]
    serializer_class = Refusal


class VerificationViewSet(viewsets.ViewSet):
    """Named as ours is."""

    serializer_class = StateAnswer

    def create(self, request):
        """Verify something else."""


class OrderViewSet(VerificationViewSet):
    serializer_class = StartBody


router = SimpleRouter()
router.register("verification", VerificationViewSet, "verification")
router.register("orders", OrderViewSet, "order")
urlpatterns = [
    path("subscriptions/", SubscriptionView.as_view()),
    *recipients().urlpatterns,
    path("transfer/", TransferView.as_view()),
    *router.urls,
]
